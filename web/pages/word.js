// Turns notes on in this browser (Web Push). Without this script the button stays
// hidden, and everything else works.
(() => {
  "use strict";
  const box = document.getElementById("push");
  if (!box || !("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

  // subscribe asks the person, and then the browser's push service.
  async function subscribe() {
    if ((await Notification.requestPermission()) !== "granted") throw new Error("not permitted");
    await navigator.serviceWorker.register(box.dataset.worker, { scope: box.dataset.scope });
    const worker = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey: bytes(box.dataset.key) };
    try {
      return await worker.pushManager.subscribe(options);
    } catch (error) {
      const old = await worker.pushManager.getSubscription(); // made for another server at this address
      if (!old) throw error;
      await old.unsubscribe();
      return worker.pushManager.subscribe(options);
    }
  }

  const button = box.querySelector("button");
  const status = box.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    status.textContent = "";
    try {
      const made = await subscribe();
      const answer = await fetch(box.dataset.add, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(made), redirect: "error" });
      const said = await answer.json();
      if (answer.status === 401 && said.error === "sign_in_again") {
        window.location.assign(said.location);
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      window.location.assign(said.location);
    } catch {
      status.textContent = status.dataset.failed;
      button.disabled = false;
    }
  });
  box.hidden = false;
})();
