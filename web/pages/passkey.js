// Signs in with a passkey, or makes one. Without this script the button stays
// hidden, and everything else works.
(() => {
  "use strict";
  const box = document.getElementById("passkey");
  if (!box || !window.PublicKeyCredential) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // send posts JSON and returns the answer, which must be good. Whoever must sign in
  // again is led there.
  async function send(url, body) {
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), redirect: "error" });
    if (answer.ok) return answer.json();
    if (answer.status === 401) {
      const why = await answer.json();
      if (why.error === "sign_in_again") window.location.assign(why.location);
    }
    throw new Error(String(answer.status));
  }

  // ask lets the browser use or make a key, as the options say.
  function ask(options) {
    const key = options.publicKey;
    key.challenge = bytes(key.challenge);
    for (const one of key.allowCredentials || key.excludeCredentials || []) one.id = bytes(one.id);
    if (!key.user) return navigator.credentials.get({ publicKey: key });
    key.user.id = bytes(key.user.id);
    return navigator.credentials.create({ publicKey: key });
  }

  // written is a credential as JSON.
  function written(credential) {
    const from = credential.response;
    const response = { clientDataJSON: text(from.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (from[name]) response[name] = text(from[name]);
    }
    if (from.getTransports) response.transports = from.getTransports();
    return {
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      authenticatorAttachment: credential.authenticatorAttachment || undefined, clientExtensionResults: {},
    };
  }

  const button = box.querySelector("button");
  const status = box.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    status.textContent = "";
    try {
      const credential = await ask(await send(box.dataset.begin, {}));
      const back = box.dataset.return ? "?return=" + encodeURIComponent(box.dataset.return) : "";
      const done = await send(box.dataset.finish + back, written(credential));
      window.location.assign(done.location);
    } catch {
      status.textContent = status.dataset.failed;
      button.disabled = false;
    }
  });
  box.hidden = false;
})();
