import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as jose from 'jose'
import * as client from 'openid-client'
import { admin, startDeputy } from './deputy.mjs'

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'

let deputy
before(async () => {
  deputy = await startDeputy()
})
after(() => deputy?.stop())

const discover = (name, authentication, algorithm = 'oauth2') => {
  const { client_id, client_secret } = deputy.world.cast[name]
  return client.discovery(new URL(deputy.issuer), client_id, client_secret, authentication?.(client_secret), {
    execute: [client.allowInsecureRequests],
    algorithm,
  })
}

for (const algorithm of ['oauth2', 'oidc']) {
  test(`discovers the server the ${algorithm} way`, async () => {
    const config = await discover('chat-widget', undefined, algorithm)
    assert.equal(config.serverMetadata().issuer, deputy.issuer)
  })
}

for (const [name, authentication] of [
  ['client_secret_post', client.ClientSecretPost],
  ['client_secret_basic', client.ClientSecretBasic],
]) {
  test(`gets a token with ${name}`, async () => {
    const config = await discover('chat-widget', authentication)
    const token = await client.clientCredentialsGrant(config, {
      scope: 'agent:chat',
      resource: 'https://support-agent.example',
    })
    assert.equal(token.scope, 'agent:chat')
    assert.ok(token.expires_in > 0)
  })
}

test('gets a token with private_key_jwt', async () => {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const { client_id } = deputy.world.cast['chat-widget']
  const jwk = { ...(await jose.exportJWK(publicKey)), alg: 'ES256', kid: 'mine' }
  await admin(deputy, 'POST', `/clients/${client_id}/credentials`, { kind: 'public_key', name: 'key', public_jwk: jwk })
  const config = await discover('chat-widget', () => client.PrivateKeyJwt({ key: privateKey, kid: 'mine' }))
  const token = await client.clientCredentialsGrant(config, {
    scope: 'agent:chat',
    resource: 'https://support-agent.example',
  })
  assert.equal(token.scope, 'agent:chat')
})

test('is told why it gets none', async () => {
  const config = await discover('chat-widget', client.ClientSecretPost)
  await assert.rejects(
    client.clientCredentialsGrant(config, { scope: 'agent:analytics', resource: 'https://support-agent.example' }),
    (error) => error.error === 'invalid_scope' && /chat-widget does not hold scope agent:analytics/.test(error.error_description),
  )
})

test('exchanges, introspects and revokes', async () => {
  const orchestrator = await discover('orchestrator', client.ClientSecretPost)
  const own = await client.clientCredentialsGrant(orchestrator, {
    scope: 'agent:orchestrate',
    resource: 'https://orchestrator.example',
  })
  const narrow = await client.genericGrantRequest(orchestrator, exchangeGrant, {
    subject_token: own.access_token,
    subject_token_type: accessToken,
    scope: 'search:web',
    resource: 'https://search-agent.example',
  })
  assert.equal(narrow.issued_token_type, accessToken)

  const search = await discover('search-agent', client.ClientSecretPost)
  const seen = await client.tokenIntrospection(search, narrow.access_token)
  assert.equal(seen.active, true)
  assert.equal(seen.act.sub, deputy.world.cast.orchestrator.client_id)
  assert.equal((await client.tokenIntrospection(orchestrator, narrow.access_token)).active, false)

  await client.tokenRevocation(orchestrator, own.access_token)
  assert.equal((await client.tokenIntrospection(search, narrow.access_token)).active, false)
})
