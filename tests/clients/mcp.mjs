// A service of the Model Context Protocol, which takes Deputy's tokens (RFC 9728, RFC
// 9068), and a host's store for one person and one client.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import * as jose from 'jose'
import { asked, openService, redirect } from './people.mjs'

export async function serve(deputy) {
  const app = createMcpExpressApp()
  const listener = app.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const origin = `http://localhost:${listener.address().port}`
  const service = await openService(deputy, `${origin}/mcp`)
  const metadata = '/.well-known/oauth-protected-resource/mcp'
  const describes = { resource: service.identifier, authorization_servers: [deputy.issuer], scopes_supported: asked.split(' ') }
  app.get(metadata, (_, answer) => void answer.json(describes))
  const guard = (scope) =>
    requireBearerAuth({
      verifier: verifier(deputy, service.identifier),
      requiredScopes: [scope],
      resourceMetadataUrl: origin + metadata,
      expectedResource: service.identifier,
    })
  const [enter, write] = [guard('notes:read'), guard('notes:write')]
  const writes = ({ body }) => body.method === 'tools/call' && body.params.name === 'write'
  const guards = (request, answer, next) => (writes(request) ? write : enter)(request, answer, next)
  app.post('/mcp', guards, answers)
  app.get('/mcp', enter, (_, answer) => void answer.sendStatus(405))
  return { ...service, url: new URL(service.identifier), stop: () => listener.closeAllConnections() ?? listener.close() }
}

function verifier(deputy, audience) {
  const keys = jose.createRemoteJWKSet(new URL(`${deputy.issuer}/oauth2/jwks`))
  const options = { issuer: deputy.issuer, audience, typ: 'at+jwt' }
  return {
    async verifyAccessToken(token) {
      const { payload } = await jose.jwtVerify(token, keys, options).catch((error) => {
        throw new InvalidTokenError(error.message)
      })
      const { act, aud, client_id, exp, scope, sub } = payload
      return { token, clientId: client_id, scopes: scope.split(' '), expiresAt: exp, resource: new URL(aud), extra: { act, sub } }
    },
  }
}

// The tools tell who calls, for whom, with what; one of them takes more.
async function answers(request, answer) {
  const server = new McpServer({ name: 'notes', version: '1' })
  const tells = ({ authInfo }) => {
    const { act, sub } = authInfo.extra
    return { content: [{ type: 'text', text: `${act.sub} for ${sub}: ${authInfo.scopes.join(' ')}` }] }
  }
  server.registerTool('who', { description: 'Who calls' }, tells)
  server.registerTool('write', { description: 'Write a note' }, tells)
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
  answer.on('close', () => void server.close())
  await server.connect(transport)
  await transport.handleRequest(request, answer, request.body)
}

// What a host keeps (OAuthClientProvider, of either version of the SDK). Its client
// was registered beforehand, so there is nothing to save of it.
export class Host {
  redirectUrl = redirect
  #kept = {}

  constructor(client) {
    this.#kept.client = client
    const secret = client.client_secret !== undefined
    this.clientMetadata = {
      client_name: 'host',
      redirect_uris: [redirect],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: secret ? 'client_secret_basic' : 'none',
    }
  }

  clientInformation = () => this.#kept.client
  state = () => (this.#kept.state = randomUUID())
  redirectToAuthorization = (url) => void (this.#kept.sent = url)
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier)
  codeVerifier = () => this.#kept.verifier
  saveTokens = (tokens) => void (this.#kept.tokens = tokens)
  tokens = () => this.#kept.tokens
  saveDiscoveryState = (state) => void (this.#kept.discovery = state)
  discoveryState = () => this.#kept.discovery

  // Where the SDK wants the person to go, and what state it will look for.
  get sent() {
    return this.#kept.sent
  }
  get expected() {
    return this.#kept.state
  }
}
