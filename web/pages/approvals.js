// Watches what waits for somebody's approval, for as long as they look. Pages do
// not need it: they show the same when they are loaded again.
(() => {
  "use strict";
  const every = 4000;
  let version = live().dataset.version;
  let asking = false;
  let over = false;

  function live() { return document.getElementById("live"); }

  // changed asks whether anything else waits now; null where nobody can say.
  async function changed() {
    const answer = await fetch(live().dataset.ask, { headers: { "If-None-Match": `"${version}"` }, redirect: "error" });
    if (answer.status === 304) return null;
    over = answer.status === 401; // nobody is signed in any more
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  // renew puts what the page is by now in the place of what it was.
  async function renew() {
    const answer = await fetch(window.location.href, { redirect: "error", headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    const main = document.getElementById("main"), within = main.contains(document.activeElement);
    main.replaceChildren(...fresh.getElementById("main").childNodes);
    if (within) main.focus();
    const tabs = document.querySelector(".tabs"), others = fresh.querySelector(".tabs");
    if (tabs && others) tabs.replaceWith(others);
  }

  // look keeps what somebody is about to answer as they left it, for as long as it waits.
  async function look() {
    if (asking || over || document.hidden || !live()) return;
    asking = true;
    try {
      const now = await changed();
      if (now) {
        const one = live().dataset.approval;
        if (!one || !now.waiting.includes(one)) await renew();
        version = now.version;
        const said = document.getElementById("live-said");
        if (said) said.textContent = said.dataset.new;
      }
    } catch {
      // the next time
    } finally {
      asking = false;
    }
  }

  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
})();
