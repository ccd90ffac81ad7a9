// A service with notes of people, and clients that act for people at it. Alice may
// read and write notes; clients may purge them too, and ask for all of it.
import { randomBytes } from 'node:crypto'
import { admin } from './deputy.mjs'

export const asked = 'notes:purge notes:read notes:write'
export const hers = 'notes:read notes:write'

// Registered without port: a client of the person's own machine learns its port late.
export const redirect = 'http://127.0.0.1:53682/callback'

export async function openService(deputy, identifier) {
  const call = (...args) => admin(deputy, ...args)
  const operator = await register(deputy, { kind: 'application' })
  const { id } = await call('POST', '/resource-servers', { name: named('notes'), identifier, operator_id: operator.client_id })
  for (const scope of asked.split(' ')) {
    await call('PUT', `/resource-servers/${id}/scopes/${encodeURIComponent(scope)}`, { description: scope, risk: 'low' })
  }
  const role = (scopes) =>
    call('POST', '/roles', {
      name: named('notes'),
      scopes: scopes.split(' ').map((scope) => ({ resource_server_id: id, scope })),
    })
  const { items } = await call('GET', '/users')
  const alice = items.find((user) => user.username === 'alice')
  await call('POST', '/assignments', { role_id: (await role(hers)).id, principal_id: alice.id })
  return { identifier, operator, alice: alice.id, role: (await role(asked)).id }
}

// A client that may do at the service whatever there is to do, for people who let it.
export async function registerFor(deputy, service, kind) {
  const client = await register(deputy, {
    kind: 'application',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: kind === 'public' ? 'none' : 'any',
  })
  await admin(deputy, 'POST', '/assignments', { role_id: service.role, principal_id: client.client_id })
  return client
}

// A client that asks Alice, who is elsewhere: by CIBA, or from a device.
export async function registerElsewhere(deputy, service) {
  const client = await register(deputy, {
    kind: 'application',
    grant_types: ['urn:openid:params:grant-type:ciba', 'urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  })
  await admin(deputy, 'POST', '/assignments', { role_id: service.role, principal_id: client.client_id })
  await admin(deputy, 'PUT', `/clients/${client.client_id}/acquaintances/${service.alice}`)
  return client
}

async function register(deputy, body) {
  const { id, token_endpoint_auth_method } = await admin(deputy, 'POST', '/clients', { name: named('client'), ...body })
  if (token_endpoint_auth_method === 'none') return { client_id: id }
  const { secret } = await admin(deputy, 'POST', `/clients/${id}/credentials`, { kind: 'secret' })
  return { client_id: id, client_secret: secret }
}

const named = (what) => `${what}-${randomBytes(6).toString('hex')}`
