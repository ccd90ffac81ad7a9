// Shows notes that Deputy sends to this browser, and opens what they lead to.
"use strict";

self.addEventListener("push", (event) => {
  const note = event.data ? event.data.json() : {};
  event.waitUntil(self.registration.showNotification(note.title || "Deputy", {
    body: note.body, tag: note.tag, lang: note.lang, data: { link: note.link }, requireInteraction: true,
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const link = new URL(event.notification.data.link, self.location.href);
  if (link.origin !== self.location.origin) return; // a note leads nowhere else
  event.waitUntil((async () => {
    for (const open of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
      if (open.url === link.href) return open.focus();
    }
    return self.clients.openWindow(link.href);
  })());
});
