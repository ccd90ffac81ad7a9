// A person at a browser, with cookies and without scripts: signs in where asked to,
// answers the page that asks, and goes where the page after it leads.
import assert from 'node:assert/strict'

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#39': "'", '#43': '+' }
const text = (html) => html.replace(/&([a-z]+|#\d+);/g, (whole, name) => entities[name] ?? whole)
const values = (html, pattern) => [...html.matchAll(pattern)].map(([, value]) => text(value))

export class Person {
  #issuer
  #username
  #password
  #cookies = new Map()

  constructor(deputy, username) {
    this.#issuer = deputy.issuer
    this.#username = username
    this.#password = deputy.world.people[username]
  }

  // Goes to where a client sends people, answers 'allow' or 'deny' if asked, and
  // returns where it is sent back to.
  async visit(url, answer) {
    let at = await this.#open(url)
    for (let steps = 0; steps < 12; steps++) {
      if (at.back) return at.back
      at = await this.#next(at.page, answer)
    }
    throw new Error(`round and round: ${url}`)
  }

  #next(page, answer) {
    const [onward] = values(page, /<meta http-equiv="refresh" content="0;url=([^"]+)">/g)
    if (onward) return { back: new URL(onward) }
    const [id] = values(page, /name="authorization" value="([^"]+)"/g)
    if (id) {
      const ticked = values(page, /name="scope" value="([^"]+)" checked/g).map((scope) => ['scope', scope])
      const [until] = values(page, /name="until" value="([^"]+)"/g)
      return this.#open('/consent', new URLSearchParams([['authorization', id], ['answer', answer], ['until', until], ...ticked]))
    }
    const [back] = values(page, /name="return" value="([^"]+)"/g)
    assert.ok(back, page)
    return this.#open('/login', new URLSearchParams({ username: this.#username, password: this.#password, return: back }))
  }

  // Answers what waits, 'allow' with all that is offered, or 'deny', as the page says that
  // the agent said.
  async answers(answer, says = '') {
    await this.#signIn('/approvals')
    const [id] = JSON.parse((await this.#open('/approvals/waiting')).page).waiting
    return this.#decide(id, answer, says)
  }

  // Types the code of a device, and answers.
  async types(url, answer) {
    const { page } = await this.#signIn(url)
    const [code] = values(page, /name="user_code"[^>]* value="([^"]+)"/g)
    const at = await this.#open('/device', new URLSearchParams({ user_code: code }))
    const [id] = values(at.page, /action="[^"]*\/approvals\/(apr_[0-9a-z]+)"/g)
    assert.ok(id, at.page)
    return this.#decide(id, answer, '')
  }

  async #decide(id, answer, says) {
    const { page } = await this.#open(`/approvals/${id}`)
    assert.ok(page.includes(says), page)
    const scopes = values(page, /name="scope" value="([^"]+)"/g).map((scope) => ['scope', scope])
    const [until] = values(page, /name="until" value="([^"]+)"/g)
    return this.#open(`/approvals/${id}`, new URLSearchParams([['answer', answer], ['until', until], ...scopes]))
  }

  async #signIn(path) {
    const at = await this.#open(path)
    const [back] = values(at.page, /name="return" value="([^"]+)"/g)
    if (!back) return at
    return this.#open('/login', new URLSearchParams({ username: this.#username, password: this.#password, return: back }))
  }

  // Opens a page, or sends a form; follows only where Deputy leads within itself.
  async #open(path, form) {
    const url = new URL(path, this.#issuer)
    const headers = { cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; ') }
    if (form) Object.assign(headers, { origin: this.#issuer, 'sec-fetch-site': 'same-origin' })
    const response = await fetch(url, { method: form ? 'POST' : 'GET', headers, body: form, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/)
      this.#cookies.set(name, value)
    }
    const page = await response.text()
    const to = response.headers.get('location')
    if (!to) {
      assert.equal(response.status, 200, page)
      return { page }
    }
    const next = new URL(to, url)
    return next.origin === url.origin ? this.#open(next) : { back: next }
  }
}
