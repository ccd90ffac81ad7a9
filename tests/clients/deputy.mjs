// Starts the real binary with its sample world, on a free port and a folder of its own.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const binary = new URL('../../deputy', import.meta.url).pathname

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })

export async function startDeputy() {
  const dir = await mkdtemp(join(tmpdir(), 'deputy-clients-'))
  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const args = ['serve', '--dev', '--no-tour', '--data-dir', dir, '--listen', `127.0.0.1:${port}`, '--issuer', issuer]
  const server = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  server.stderr.on('data', (chunk) => (output += chunk))
  server.stdout.on('data', (chunk) => (output += chunk))
  const ended = new Promise((resolve) => server.on('exit', resolve))

  const stop = async () => {
    server.kill('SIGTERM')
    await ended
    await rm(dir, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 300; tries++) {
    if (output.includes('└─')) {
      const world = JSON.parse(await readFile(join(dir, 'dev.json'), 'utf8'))
      return { issuer, world, stop }
    }
    if (server.exitCode !== null) break
    await sleep(100)
  }
  await stop()
  throw new Error(`deputy did not start:\n${output}`)
}

const rights =
  'clients:read clients:suspend clients:write credentials:write resources:write roles:assign roles:write users:read'

// An administrator's call of the API.
export async function admin(deputy, method, path, body) {
  const { client_id, client_secret } = deputy.world.admin
  const token = await fetch(`${deputy.issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource: `${deputy.issuer}/api/v1`,
      scope: rights,
    }),
  })
  const { access_token } = await token.json()
  const response = await fetch(`${deputy.issuer}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response.status === 204 ? undefined : response.json()
}
