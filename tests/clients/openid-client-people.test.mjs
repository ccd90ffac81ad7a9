import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as client from 'openid-client'
import { startDeputy } from './deputy.mjs'
import { asked, hers, openService, redirect, registerFor } from './people.mjs'
import { Person } from './person.mjs'

let deputy, service
before(async () => {
  deputy = await startDeputy()
  service = await openService(deputy, 'https://notes.example')
})
after(() => deputy?.stop())

const ways = {
  'by client_secret_post': ['confidential'],
  'by client_secret_basic': ['confidential', client.ClientSecretBasic],
  'with no secret': ['public', client.None],
}

for (const [way, [kind, authentication]] of Object.entries(ways)) {
  test(`it acts for a person ${way}`, async () => {
    const { client_id, client_secret } = await registerFor(deputy, service, kind)
    const options = { execute: [client.allowInsecureRequests], algorithm: 'oauth2' }
    const config = await client.discovery(new URL(deputy.issuer), client_id, client_secret, authentication?.(client_secret), options)
    const ask = async (answer, build) => {
      const pkceCodeVerifier = client.randomPKCECodeVerifier()
      const expectedState = client.randomState()
      const url = await build(config, {
        redirect_uri: redirect,
        scope: asked,
        resource: service.identifier,
        state: expectedState,
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      })
      const back = await new Person(deputy, 'alice').visit(url, answer)
      return client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState })
    }
    await assert.rejects(
      ask('deny', client.buildAuthorizationUrlWithPAR),
      (error) => error instanceof client.AuthorizationResponseError && error.error === 'access_denied',
    )
    for (const build of [client.buildAuthorizationUrlWithPAR, client.buildAuthorizationUrl]) {
      const token = await ask('allow', build)
      assert.equal(token.scope, hers, 'what she has of what was asked for')
      const fresh = await client.refreshTokenGrant(config, token.refresh_token, { scope: 'notes:read' })
      assert.equal(fresh.scope, 'notes:read', 'less may be asked for')
      assert.notEqual(fresh.refresh_token, token.refresh_token)
      await client.tokenRevocation(config, fresh.refresh_token)
      await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), (error) => error.error === 'invalid_grant')
    }
  })
}
