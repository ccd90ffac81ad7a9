import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as oauth from 'oauth4webapi'
import { startDeputy } from './deputy.mjs'
import { asked, hers, openService, redirect, registerFor } from './people.mjs'
import { Person } from './person.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }

let deputy, as, service
before(async () => {
  deputy = await startDeputy()
  service = await openService(deputy, 'https://notes.example')
  const issuer = new URL(deputy.issuer)
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  as = await oauth.processDiscoveryResponse(issuer, response)
})
after(() => deputy?.stop())

const proof = ({ client_secret }) => (client_secret ? oauth.ClientSecretPost(client_secret) : oauth.None())

// Pushes a request (RFC 9126), and sends alice for it.
async function ask(client, answer) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const parameters = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirect,
    scope: asked,
    resource: service.identifier,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const response = await oauth.pushedAuthorizationRequest(as, client, proof(client), parameters, insecure)
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response)
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri })
  const back = await new Person(deputy, 'alice').visit(url, answer)
  return { verifier, heard: () => oauth.validateAuthResponse(as, client, back, state) }
}

async function introspect(token) {
  const { operator } = service
  const response = await oauth.introspectionRequest(as, operator, proof(operator), token, insecure)
  return oauth.processIntrospectionResponse(as, operator, response)
}

const validate = ({ access_token }) => {
  const request = new Request(service.identifier, { headers: { authorization: `Bearer ${access_token}` } })
  return oauth.validateJwtAccessToken(as, request, service.identifier, insecure)
}

for (const kind of ['confidential', 'public']) {
  test(`a ${kind} client acts for a person`, async () => {
    const client = await registerFor(deputy, service, kind)
    const no = await ask(client, 'deny')
    assert.throws(no.heard, (error) => error instanceof oauth.AuthorizationResponseError && error.error === 'access_denied')

    const { verifier, heard } = await ask(client, 'allow')
    const redeem = () => oauth.authorizationCodeGrantRequest(as, client, proof(client), heard(), redirect, verifier, insecure)
    const first = await oauth.processAuthorizationCodeResponse(as, client, await redeem())
    assert.equal(first.scope, hers, 'what she has of what was asked for')
    const claims = await validate(first)
    assert.equal(claims.sub, service.alice)
    assert.equal(claims.act.sub, client.client_id)
    assert.equal(claims.scope, hers)

    const refresh = await oauth.refreshTokenGrantRequest(as, client, proof(client), first.refresh_token, insecure)
    const second = await oauth.processRefreshTokenResponse(as, client, refresh)
    assert.equal(second.scope, hers)
    assert.notEqual(second.refresh_token, first.refresh_token)
    assert.equal((await introspect(second.access_token)).sub, service.alice)

    const revoked = await oauth.revocationRequest(as, client, proof(client), second.access_token, insecure)
    await oauth.processRevocationResponse(revoked)
    assert.deepEqual(await introspect(second.access_token), { active: false })

    await assert.rejects(
      async () => oauth.processAuthorizationCodeResponse(as, client, await redeem()),
      (error) => error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant',
    )
    assert.deepEqual(await introspect(first.access_token), { active: false }, 'a code that comes twice ends what it gave')
  })
}
