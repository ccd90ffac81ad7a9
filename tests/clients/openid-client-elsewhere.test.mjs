import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as client from 'openid-client'
import { startDeputy } from './deputy.mjs'
import { asked, hers, openService, registerElsewhere } from './people.mjs'
import { Person } from './person.mjs'

let deputy, service
before(async () => {
  deputy = await startDeputy()
  service = await openService(deputy, 'https://notes.example')
})
after(() => deputy?.stop())

async function configured() {
  const { client_id, client_secret } = await registerElsewhere(deputy, service)
  return client.discovery(new URL(deputy.issuer), client_id, client_secret, undefined, { execute: [client.allowInsecureRequests], algorithm: 'oauth2' })
}

test('it asks somebody who is elsewhere, and polls', async () => {
  const config = await configured()
  const ask = (binding_message) =>
    client.initiateBackchannelAuthentication(config, { login_hint: 'alice', scope: asked, resource: service.identifier, binding_message })
  const poll = (response) => client.pollBackchannelAuthenticationGrant(config, response)

  const first = await ask('Notes of Monday')
  assert.ok(first.expires_in > 0 && first.interval === 5)
  const waiting = poll(first) // it begins before there is an answer
  await new Person(deputy, 'alice').answers('allow', 'Notes of Monday')
  const token = await waiting
  assert.equal(token.scope, hers, 'what she has of what was asked for')
  const fresh = await client.refreshTokenGrant(config, token.refresh_token)
  assert.equal(fresh.scope, hers)

  const second = await ask('Notes of Tuesday')
  await new Person(deputy, 'alice').answers('deny', 'Notes of Tuesday')
  await assert.rejects(poll(second), (error) => error.error === 'access_denied')
  await assert.rejects(
    client.initiateBackchannelAuthentication(config, { login_hint: 'joe', scope: asked, resource: service.identifier }),
    (error) => error.error === 'unknown_user_id',
  )
})

test('a device asks whoever types its code', async () => {
  const config = await configured()
  const ask = () => client.initiateDeviceAuthorization(config, { scope: asked, resource: service.identifier })
  const poll = (response) => client.pollDeviceAuthorizationGrant(config, response)

  const first = await ask()
  assert.match(first.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  const waiting = poll(first)
  await new Person(deputy, 'alice').types(first.verification_uri_complete, 'allow')
  assert.equal((await waiting).scope, hers)

  const second = await ask()
  await new Person(deputy, 'alice').types(second.verification_uri_complete, 'deny')
  await assert.rejects(poll(second), (error) => error.error === 'access_denied')
})
