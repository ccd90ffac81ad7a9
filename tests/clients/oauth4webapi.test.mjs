import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as oauth from 'oauth4webapi'
import { startDeputy } from './deputy.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }

let deputy, as
before(async () => {
  deputy = await startDeputy()
  const issuer = new URL(deputy.issuer)
  as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
  )
})
after(() => deputy?.stop())

const who = (name) => {
  const { client_id, client_secret } = deputy.world.cast[name]
  return [{ client_id }, oauth.ClientSecretBasic(client_secret)]
}

async function own(name, scope, resource) {
  const [client, authentication] = who(name)
  const parameters = new URLSearchParams({ scope, resource })
  const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, parameters, insecure)
  return oauth.processClientCredentialsResponse(as, client, response)
}

async function exchange(name, subject, scope, resource) {
  const [client, authentication] = who(name)
  const parameters = new URLSearchParams({
    subject_token: subject,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope,
    resource,
  })
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const response = await oauth.genericTokenEndpointRequest(as, client, authentication, grant, parameters, insecure)
  return oauth.processGenericTokenEndpointResponse(as, client, response)
}

const validate = (token, audience) => {
  const request = new Request('https://service.example/', { headers: { authorization: `Bearer ${token}` } })
  return oauth.validateJwtAccessToken(as, request, audience, insecure)
}

test('its RFC 9068 validator accepts our tokens, at their audience only', async () => {
  const { access_token } = await own('admin-tool', 'agent:chat agent:analytics', 'https://support-agent.example')
  const claims = await validate(access_token, 'https://support-agent.example')
  assert.equal(claims.client_id, deputy.world.cast['admin-tool'].client_id)
  assert.equal(claims.scope, 'agent:analytics agent:chat')
  await assert.rejects(validate(access_token, 'https://search-agent.example'))
  const [head, body, signature] = access_token.split('.')
  await assert.rejects(validate([head, body.slice(0, -2) + 'AA', signature].join('.'), 'https://support-agent.example'))
})

test('it exchanges along the chain and reads every actor', async () => {
  const first = await own('orchestrator', 'agent:orchestrate', 'https://orchestrator.example')
  const second = await exchange('orchestrator', first.access_token, 'search:web', 'https://search-agent.example')
  const third = await exchange('search-agent', second.access_token, 'summarize:text', 'https://summarize-agent.example')
  const { cast } = deputy.world
  const claims = await validate(third.access_token, 'https://summarize-agent.example')
  assert.equal(claims.sub, cast.orchestrator.client_id)
  assert.equal(claims.act.sub, cast['search-agent'].client_id)
  assert.equal(claims.act.act.sub, cast.orchestrator.client_id)
})

test('it introspects and revokes', async () => {
  const { access_token } = await own('chat-widget', 'agent:chat', 'https://support-agent.example')
  const introspect = async () => {
    const [client, authentication] = who('support-agent')
    const response = await oauth.introspectionRequest(as, client, authentication, access_token, insecure)
    return oauth.processIntrospectionResponse(as, client, response)
  }
  assert.equal((await introspect()).active, true)
  const [client, authentication] = who('chat-widget')
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, access_token, insecure))
  assert.deepEqual(await introspect(), { active: false })
})
