// A running server as administrators and clients see it: over HTTP, with what
// serve --dev left in dev.json.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

export const issuer = process.env.DEPUTY;
const world = JSON.parse(readFileSync(process.env.WORLD, "utf8"));

/** form posts a form as a client, and gives status and JSON. */
export async function form(client, path, fields) {
  const authorization = "Basic " + Buffer.from(`${client.client_id}:${client.client_secret}`).toString("base64");
  const answer = await fetch(issuer + path, { method: "POST", headers: { authorization }, body: new URLSearchParams(fields) });
  return { status: answer.status, ...JSON.parse((await answer.text()) || "{}") };
}

let bearer;

/** api calls the admin API as the administrator of the sample world. */
async function api(method, path, body) {
  bearer ??= (await form(world.admin, "/oauth2/token", {
    grant_type: "client_credentials", resource: issuer + "/api/v1",
    scope: "clients:write credentials:write users:write roles:write roles:assign resources:write",
  })).access_token;
  const answer = await fetch(`${issuer}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

const unique = (name) => `${name}-${randomBytes(4).toString("hex")}`;

/** person makes somebody, who has chosen a password by their link. */
export async function person(name) {
  const username = unique(name.split(" ")[0].toLowerCase()), password = randomBytes(12).toString("hex");
  const user = await api("POST", "/users", { username, name });
  const { url } = await api("POST", `/users/${user.id}/links`, { purpose: "invite" });
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ password, again: password }), redirect: "manual" });
  if (answer.status !== 303) throw new Error(`the invitation was answered ${answer.status}`);
  return { id: user.id, name, username, password };
}

/** agent makes an agent, which may act for people if it says where they come back to, or
 * by which grant types else. */
export async function agent(name, owner, redirect, types) {
  const made = await api("POST", "/clients", {
    kind: "agent", name: unique(name), purpose: "Looks things up", owner_id: owner.id, sponsor: "Research",
    ...(redirect && { redirect_uris: [redirect], grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"] }),
    ...(types && { grant_types: types }),
  });
  const { secret } = await api("POST", `/clients/${made.id}/credentials`, { kind: "secret" });
  return { client_id: made.id, client_secret: secret, name: made.name };
}

/** service registers a resource server with scopes: name -> [words, downstream]. */
export async function service(name, operator, scopes) {
  const label = unique(name), identifier = `https://${label}.example`;
  const made = await api("POST", "/resource-servers", { name: label, identifier, operator_id: operator.client_id });
  for (const [scope, [description, downstream = []]] of Object.entries(scopes)) {
    await api("PUT", `/resource-servers/${made.id}/scopes/${encodeURIComponent(scope)}`, { description, risk: "low", downstream });
  }
  return { id: made.id, name: label, identifier, at: (scope) => ({ resource_server_id: made.id, scope }) };
}

/** allow gives somebody scopes. */
export async function allow(principal, ...scopes) {
  const role = await api("POST", "/roles", { name: unique("role"), description: "what they need", scopes });
  await api("POST", "/assignments", { role_id: role.id, principal_id: principal.id ?? principal.client_id });
}

/** callback listens where an agent has people sent back to. */
export async function callback() {
  const came = [], waiting = [];
  const server = createServer((request, answer) => {
    const url = new URL(request.url, "http://127.0.0.1");
    if (url.pathname === "/callback") (waiting.shift() ?? ((u) => came.push(u)))(url);
    answer.setHeader("content-type", "text/html").end("<!doctype html><title>back</title><h1>Back</h1>");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/callback`,
    next: () => new Promise((done) => (came.length ? done(came.shift()) : waiting.push(done))),
    close: () => server.close(),
  };
}

/** link is where an agent sends somebody, with what it keeps to itself. */
export function link(client, redirect, resource, scope, more = {}) {
  const verifier = randomBytes(32).toString("base64url"), state = randomBytes(16).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const url = `${issuer}/oauth2/authorize?` + new URLSearchParams({
    response_type: "code", client_id: client.client_id, redirect_uri: redirect, resource: resource.identifier, scope, state,
    code_challenge: challenge, code_challenge_method: "S256", ...more,
  });
  return { url, verifier, state };
}

export const redeem = (client, redirect, asked, code) =>
  form(client, "/oauth2/token", { grant_type: "authorization_code", code, redirect_uri: redirect, code_verifier: asked.verifier });

export const refresh = (client, token) => form(client, "/oauth2/token", { grant_type: "refresh_token", refresh_token: token });

export const exchange = (client, token, resource, scope) => form(client, "/oauth2/token", {
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", subject_token: token,
  subject_token_type: "urn:ietf:params:oauth:token-type:access_token", resource: resource.identifier, scope,
});

export const active = async (client, token) => (await form(client, "/oauth2/introspect", { token })).active;

export const ciba = "urn:openid:params:grant-type:ciba";
export const deviceCode = "urn:ietf:params:oauth:grant-type:device_code";

/** bcAuthorize asks somebody who is elsewhere (CIBA). */
export const bcAuthorize = (client, who, resource, scope, more = {}) =>
  form(client, "/oauth2/bc-authorize", { login_hint: who.id, resource: resource.identifier, scope, ...more });

/** poll asks for the answer. */
export const poll = (client, id) => form(client, "/oauth2/token", { grant_type: ciba, auth_req_id: id });

/** deviceAuthorization asks whoever types the code that comes back (RFC 8628). */
export const deviceAuthorization = (client, resource, scope) => form(client, "/oauth2/device_authorization", { resource: resource.identifier, scope });

export const pollDevice = (client, code) => form(client, "/oauth2/token", { grant_type: deviceCode, device_code: code });

/** claims are what a token says. */
export const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
