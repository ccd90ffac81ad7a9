import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as client from 'openid-client'
import { admin, startDeputy } from './deputy.mjs'
import { hers, openService, redirect, registerFor } from './people.mjs'
import { Person } from './person.mjs'

// The role that is built in for whoever may sign people in.
const signIn = 'rol_openid'

let deputy, service
before(async () => {
  deputy = await startDeputy()
  service = await openService(deputy, 'https://notes.example')
})
after(() => deputy?.stop())

for (const kind of ['confidential', 'public']) {
  test(`a ${kind} client signs a person in`, async () => {
    const { client_id, client_secret } = await registerFor(deputy, service, kind)
    await admin(deputy, 'POST', '/assignments', { role_id: signIn, principal_id: client_id })
    const authentication = client_secret ? client.ClientSecretBasic(client_secret) : client.None()
    const options = { execute: [client.allowInsecureRequests] }
    const config = await client.discovery(new URL(deputy.issuer), client_id, client_secret, authentication, options)
    const ask = async (scope, more) => {
      const pkceCodeVerifier = client.randomPKCECodeVerifier()
      const expectedNonce = client.randomNonce()
      const url = await client.buildAuthorizationUrlWithPAR(config, {
        redirect_uri: redirect,
        scope,
        nonce: expectedNonce,
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        ...more,
      })
      const back = await new Person(deputy, 'alice').visit(url, 'allow')
      return client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedNonce, idTokenExpected: true, maxAge: 600 })
    }
    const token = await ask('openid profile', { max_age: 600 })
    const { sub, name } = token.claims()
    assert.equal(sub, service.alice)
    assert.equal(name, 'Alice Adams')
    const said = await client.fetchUserInfo(config, token.access_token, sub)
    assert.equal(said.preferred_username, 'alice')

    const both = await ask(`openid ${hers}`, { max_age: 600 })
    assert.equal(both.claims().sub, service.alice)
    assert.equal(both.scope, hers)
    const fresh = await client.refreshTokenGrant(config, both.refresh_token)
    assert.equal(fresh.claims().sub, service.alice, 'a refresh says again who she is')
  })
}
