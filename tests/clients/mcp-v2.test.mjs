import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { auth, Client, IssuerMismatchError, OAuthError, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { startDeputy } from './deputy.mjs'
import { Host, serve } from './mcp.mjs'
import { asked, hers, registerFor } from './people.mjs'
import { Person } from './person.mjs'

let deputy, service
before(async () => {
  deputy = await startDeputy()
  service = await serve(deputy)
})
after(async () => {
  service?.stop()
  await deputy?.stop()
})

for (const kind of ['confidential', 'public']) {
  test(`a ${kind} client of v2 acts for a person`, async () => {
    const { client_id, ...secret } = await registerFor(deputy, service, kind)
    const host = new Host({ client_id, ...secret })
    const connect = async () => {
      const transport = new StreamableHTTPClientTransport(service.url, { authProvider: host })
      const client = new Client({ name: 'host', version: '1' })
      return { transport, client, connected: client.connect(transport) }
    }
    const door = await connect()
    await assert.rejects(door.connected, UnauthorizedError)
    assert.equal(host.sent.searchParams.get('prompt'), null, 'no more is asked of people than is needed')
    const no = await new Person(deputy, 'alice').visit(host.sent, 'deny')
    await assert.rejects(
      door.transport.finishAuth(no.searchParams),
      (error) => OAuthError.isInstance(error) && error.code === 'access_denied',
    )

    // It asks for all there is, without offline_access, which is not on offer.
    assert.equal(await auth(host, { serverUrl: service.url, scope: asked }), 'REDIRECT')
    assert.equal(host.sent.searchParams.get('scope'), asked)
    const yes = await new Person(deputy, 'alice').visit(host.sent, 'allow')
    const [authorizationCode, iss] = ['code', 'iss'].map((name) => yes.searchParams.get(name))
    for (const wrong of [undefined, 'https://evil.example', `${deputy.issuer}/`]) {
      await assert.rejects(auth(host, { serverUrl: service.url, authorizationCode, iss: wrong }), IssuerMismatchError)
    }
    assert.equal(await auth(host, { serverUrl: service.url, authorizationCode, iss }), 'AUTHORIZED')
    const first = host.tokens()
    assert.equal(first.scope, hers)
    assert.equal(first.issuer, deputy.issuer)

    assert.equal(await auth(host, { serverUrl: service.url }), 'AUTHORIZED')
    assert.equal(host.tokens().scope, hers)
    assert.notEqual(host.tokens().refresh_token, first.refresh_token)
    const inside = await connect()
    await inside.connected
    const { content } = await inside.client.callTool({ name: 'who' })
    assert.equal(content[0].text, `${client_id} for ${service.alice}: ${hers}`)
    await inside.client.close()
  })
}

// A service that wants more for one tool says so (403 insufficient_scope): the person is
// asked for that, beside what they allowed before, and nothing is lost or asked twice.
test('a client of v2 steps up', async () => {
  const registered = await registerFor(deputy, service, 'public')
  const host = new Host(registered)
  const alice = new Person(deputy, 'alice')
  const door = new StreamableHTTPClientTransport(service.url, { authProvider: host })
  await assert.rejects(new Client({ name: 'host', version: '1' }).connect(door), UnauthorizedError)
  await door.finishAuth((await alice.visit(host.sent, 'allow')).searchParams)
  assert.equal(host.tokens().scope, 'notes:read')

  const client = new Client({ name: 'host', version: '1' })
  const inside = new StreamableHTTPClientTransport(service.url, { authProvider: host })
  await client.connect(inside)
  await assert.rejects(client.callTool({ name: 'write' }), UnauthorizedError)
  assert.equal(host.sent.searchParams.get('scope'), hers)
  await inside.finishAuth((await alice.visit(host.sent, 'allow')).searchParams)
  assert.equal(host.tokens().scope, hers)
  const { content } = await client.callTool({ name: 'write' })
  assert.equal(content[0].text, `${registered.client_id} for ${service.alice}: ${hers}`)
  await client.close()
})
