import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
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
  test(`a ${kind} client of v1 acts for a person`, async () => {
    const { client_id, ...secret } = await registerFor(deputy, service, kind)
    const host = new Host({ client_id, ...secret })
    assert.equal(await auth(host, { serverUrl: service.url }), 'REDIRECT')
    assert.equal(host.sent.searchParams.get('resource'), service.identifier)
    assert.equal(host.sent.searchParams.get('scope'), asked)
    const no = await new Person(deputy, 'alice').visit(host.sent, 'deny')
    assert.equal(no.searchParams.get('error'), 'access_denied')
    assert.equal(no.searchParams.get('state'), host.expected)
    assert.equal(host.tokens(), undefined)

    const transport = new StreamableHTTPClientTransport(service.url, { authProvider: host })
    const client = new Client({ name: 'host', version: '1' })
    await assert.rejects(client.connect(transport), UnauthorizedError)
    assert.equal(host.sent.searchParams.get('scope'), 'notes:read', 'what the service asked for at its door')
    const yes = await new Person(deputy, 'alice').visit(host.sent, 'allow')
    await transport.finishAuth(yes.searchParams.get('code'))
    assert.equal(host.tokens().scope, 'notes:read')

    const caller = new Client({ name: 'host', version: '1' })
    await caller.connect(new StreamableHTTPClientTransport(service.url, { authProvider: host }))
    const { content } = await caller.callTool({ name: 'who' })
    assert.equal(content[0].text, `${client_id} for ${service.alice}: notes:read`)

    // Told to ask for all there is, it gets what she has of it; and refreshes.
    host.saveTokens(undefined)
    assert.equal(await auth(host, { serverUrl: service.url, scope: asked }), 'REDIRECT')
    const more = await new Person(deputy, 'alice').visit(host.sent, 'allow')
    await auth(host, { serverUrl: service.url, authorizationCode: more.searchParams.get('code') })
    const first = host.tokens()
    assert.equal(first.scope, hers)
    assert.equal(await auth(host, { serverUrl: service.url }), 'AUTHORIZED')
    assert.equal(host.tokens().scope, hers)
    assert.notEqual(host.tokens().access_token, first.access_token)
    assert.notEqual(host.tokens().refresh_token, first.refresh_token)
    const again = await caller.callTool({ name: 'who' })
    assert.equal(again.content[0].text, `${client_id} for ${service.alice}: ${hers}`)
    await caller.close()
  })
}
