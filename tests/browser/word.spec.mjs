// How word reaches somebody, at a running server: the page where they try it, and
// notes that a browser shows.
import { test, expect } from "@playwright/test";
import { issuer, person } from "./deputy.mjs";
import { looked, phone, signIn, watch } from "./pages.mjs";

for (const javaScriptEnabled of [true, false]) {
  test.describe(`messages, ${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ viewport: phone, javaScriptEnabled });

    test("a test arrives, in the language that was chosen", async ({ page }) => {
      const complaints = watch(page), joe = await person("Joe Junior");
      await page.goto(`${issuer}/login?return=word`);
      await signIn(page, joe);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("How word reaches you");
      await looked(page, "word", javaScriptEnabled);
      await expect(page.getByRole("button", { name: "Turn on in this browser" })).toBeVisible({ visible: javaScriptEnabled });
      await page.getByRole("combobox", { name: "Language" }).selectOption("de");
      await page.getByRole("button", { name: "Save the language" }).click();
      await expect(page.getByRole("status").filter({ hasText: "Saved" })).toBeVisible();
      await page.getByRole("button", { name: /^Send a test.*Email/ }).click();
      await expect(page.getByText("The test is on its way")).toBeVisible();
      await page.goto(`${issuer}/dev/mailbox`);
      const mail = page.locator("article").filter({ hasText: `${joe.username}@localhost` });
      await expect(mail.getByRole("heading")).toHaveText("Das ist ein Test von Deputy");
      await mail.getByRole("link").click();
      await expect(page).toHaveURL(`${issuer}/account/word`);
      expect(complaints).toEqual([]);
    });
  });
}

test("a browser shows a note that leads to the question, and nowhere else", async ({ context, page }) => {
  await context.grantPermissions(["notifications"], { origin: issuer });
  await page.goto(`${issuer}/login`);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register("/worker.js");
    await navigator.serviceWorker.ready;
  });
  const devtools = await context.newCDPSession(page);
  const registered = new Promise((resolve) => devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && resolve(registrations[0].registrationId)));
  await devtools.send("ServiceWorker.enable");
  const registrationId = await registered;
  const note = { title: "payroll-agent waits for your answer", body: "Compare the code: K7QP.", link: `${issuer}/approvals/apr_1`, tag: "apr_1", lang: "en" };
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: issuer, registrationId, data: JSON.stringify(note) });
  const shown = () => page.evaluate(async () => {
    const worker = await navigator.serviceWorker.ready;
    return (await worker.getNotifications()).map((n) => ({ title: n.title, body: n.body, link: n.data.link, tag: n.tag, lang: n.lang }));
  });
  await expect.poll(shown).toEqual([note]);
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: issuer, registrationId, data: JSON.stringify({ ...note, body: "Again" }) });
  await expect.poll(async () => (await shown()).map((n) => n.body)).toEqual(["Again"]);
});
