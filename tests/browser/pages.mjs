// What the browser tests share.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "@playwright/test";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The samples that the preview lists: paths such as /preview/consent-local. */
export const samples = JSON.parse(process.env.SAMPLES ?? "[]");

/** Sizes of the screens that pages are looked at on. */
export const phone = { width: 390, height: 844 };
export const desk = { width: 1280, height: 900 };
export const wide = { width: 1600, height: 900 };
export const small = { width: 320, height: 640 };

/** watch gathers everything the browser complains of, CSP violations first. */
export function watch(page) {
  const complaints = [];
  // Chromium opens another app only when somebody presses the link.
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && !m.text().startsWith("Not allowed to launch") && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  return complaints;
}

/** open shows a sample; where it would leave for a client, it stays. */
export async function open(page, path) {
  await page.route(/^https:\/\/(reports|login)\.example\//, (route) => route.fulfill({ status: 204 }));
  const answer = await page.goto(path);
  expect(answer.status()).toBe(200);
}

/** grave runs axe and returns what is serious or critical. */
export async function grave(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, {
    runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
    resultTypes: ["violations"],
  }));
  return found.violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`);
}

/** fits: nothing sticks out to the right, or is cut off where it would. */
export async function fits(page) {
  const out = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest(".only-heard, .skip, thead") && e.getBoundingClientRect().right > width + 1);
    return [...wide.map((e) => e.outerHTML.slice(0, 120)), ...(document.documentElement.scrollWidth > width ? ["the page scrolls sideways"] : [])];
  });
  expect(out, `${page.url()} is wider than the screen`).toEqual([]);
}

/** looked: the page is as it must be, and there is a picture if pictures are wanted. */
export async function looked(page, name, scripts) {
  await fits(page);
  if (scripts) expect(await grave(page)).toEqual([]);
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/live-${name}-${page.viewportSize().width}${scripts ? "" : "-plain"}.png`, fullPage: true });
}

/** signIn fills in the form. */
export async function signIn(page, who) {
  await page.getByLabel("Username").fill(who.username);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** authenticator lets a page make and use passkeys, as a device with a fingerprint reader does. */
export async function authenticator(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
}
