// People use the pages: by keyboard alone, without JavaScript, on paper.
import { test, expect } from "@playwright/test";
import { desk, fits, open, phone, samples, watch } from "./pages.mjs";

/** tabTo presses Tab until an element has the focus. */
async function tabTo(page, selector) {
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((s) => document.activeElement.matches(s), selector)) {
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      expect(ring, `${selector} shows no focus`).not.toBe("none");
      return;
    }
  }
  throw new Error(`Tab never reached ${selector}`);
}

/** sent is what the form brought, once the browser has sent it. */
async function sent(page) {
  await page.waitForURL((url) => !url.pathname.startsWith("/preview"));
  return JSON.parse(await page.locator("body").innerText());
}

test.describe("by keyboard", () => {
  test("consent in part, for a day", async ({ page }) => {
    await page.setViewportSize(desk);
    await open(page, "/preview/consent");
    await tabTo(page, ".skip");
    await page.keyboard.press("Enter");
    await expect(page.locator("#main")).toBeFocused();
    await tabTo(page, "input[value='rsv_sales sales:comment']");
    await page.keyboard.press("Space");
    await tabTo(page, "input[name=until]");
    for (let i = 0; i < 2; i++) await page.keyboard.press("ArrowUp");
    await tabTo(page, "button[value=allow]");
    await page.keyboard.press("Enter");
    expect(await sent(page)).toEqual({
      path: "/consent", form: { authorization: ["atz_9f2c"], scope: ["rsv_sales sales:read"], until: ["1d"], answer: ["allow"] },
    });
  });

  test("Enter in the middle of the consent form allows nothing", async ({ page }) => {
    await open(page, "/preview/consent");
    await page.locator("input[value='rsv_sales sales:read']").focus();
    await page.keyboard.press("Enter");
    expect((await sent(page)).form.answer).toEqual(["deny"]);
  });

  test("sign in", async ({ page }) => {
    await open(page, "/preview/signin");
    await expect(page.locator("#username")).toBeFocused();
    await page.keyboard.type("alice");
    await tabTo(page, "#password");
    await page.keyboard.type("correct horse");
    await page.keyboard.press("Enter");
    expect(await sent(page)).toEqual({ path: "/login", form: { return: ["atz_9f2c"], username: ["alice"], password: ["correct horse"] } });
  });

  test("a problem is announced, linked and tied to its field", async ({ page }) => {
    await open(page, "/preview/setup-wrong");
    expect(await page.title()).toContain("Please check");
    await expect(page.locator("#username")).toBeFocused();
    await page.getByRole("alert").getByRole("link").nth(1).click();
    await expect(page.locator("#email")).toBeFocused();
    await expect(page.locator("#email")).toHaveAccessibleDescription(/does not look like an email/);
    await expect(page.locator("#username")).toHaveAccessibleDescription(/What you will sign in with.*letters, digits/);
  });
});

test("what is greyed cannot be ticked, and says why", async ({ page }) => {
  await open(page, "/preview/consent");
  const box = page.getByRole("checkbox", { name: /Export customer records/ });
  await expect(box).toBeDisabled();
  await expect(box).toHaveAccessibleName(/You don’t have this yourself/);
  expect(await box.getAttribute("name")).toBeNull();
});

test.describe("an approval", () => {
  test.use({ viewport: phone });

  test("another part of it than is ticked, by keyboard", async ({ page }) => {
    await open(page, "/preview/approval");
    for (const scope of ["read", "pay"]) { // what is of high risk is ticked by nobody else
      await tabTo(page, `input[value='rsv_wages wages:${scope}']`);
      await page.keyboard.press("Space");
    }
    await tabTo(page, "input[name=until]");
    await page.keyboard.press("ArrowDown");
    await tabTo(page, "button[value=allow]");
    await page.keyboard.press("Enter");
    expect(await sent(page)).toEqual({ path: "/approvals/apr_9f2c", form: { scope: ["rsv_wages wages:pay"], until: ["8h"], answer: ["allow"] } });
  });

  test("Enter in the middle of it approves nothing, and reporting it denies", async ({ page }) => {
    await open(page, "/preview/approval");
    await page.locator("input[value='rsv_wages wages:read']").focus();
    await page.keyboard.press("Enter");
    expect((await sent(page)).form.answer).toEqual(["deny"]);
    await open(page, "/preview/approval-again");
    await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);
    await expect(page.getByRole("checkbox", { name: /See salaries/ })).toBeDisabled();
    await page.getByRole("button", { name: "Deny and report" }).click();
    expect((await sent(page)).form).toEqual({ answer: ["report"] });
  });

  test("the agent's words are marked as its own", async ({ page }) => {
    await open(page, "/preview/approval-nothing");
    const said = page.getByRole("figure");
    await expect(said).toContainText("payroll-agent says");
    await expect(said).toContainText("Nobody here has checked them");
    const looks = (e) => e.evaluate((e) => { const s = getComputedStyle(e); return s.fontFamily + s.fontStyle; });
    expect(await looks(said.locator("blockquote"))).not.toBe(await looks(page.locator("h1")));
    expect(await page.locator("h1, legend, .notice, .facts").filter({ hasText: "URGENT" }).count()).toBe(0);
  });

  test("what comes and goes is shown as it does, and what is being answered is left as it is", async ({ page }) => {
    let now = { version: "1", waiting: ["apr_9f2c"] };
    const changed = async (to) => {
      now = to;
      await Promise.all([page.waitForResponse("**/approvals/waiting"), page.clock.runFor(4100)]);
    };
    await page.clock.install();
    await page.route("**/approvals/waiting", (route) => {
      const same = route.request().headers()["if-none-match"] === `"${now.version}"`;
      return route.fulfill(same ? { status: 304 } : { json: now });
    });
    await open(page, "/preview/approval");
    const pay = page.getByRole("checkbox", { name: /Send the monthly pay run/ });
    await pay.check();
    await changed({ version: "2", waiting: ["apr_9f2c", "apr_9f2d"] });
    await expect(pay).toBeChecked();
    const becomes = (path) => page.route("**/preview/approv*", async (route) => route.fulfill({ response: await route.fetch({ url: process.env.PREVIEW + path }) }));
    await becomes("/preview/answered-elsewhere");
    await changed({ version: "3", waiting: ["apr_9f2d"] });
    await expect(page.locator("h1")).toHaveText("You approved this");
    await page.unroute("**/preview/approv*");

    now = { version: "2", waiting: [] };
    await open(page, "/preview/approvals-none");
    await becomes("/preview/approvals");
    await changed({ version: "4", waiting: ["apr_9f2c", "apr_9f2d"] });
    await expect(page.getByRole("link", { name: "payroll-agent" }).first()).toBeVisible();
    await expect(page).toHaveTitle(/^\(2\) Approvals/);
    await expect(page.getByRole("navigation", { name: "Your account" })).toContainText("Approvals (2)");
  });

  test("the code of a device is filled in and not sent", async ({ page }) => {
    await open(page, "/preview/device");
    await expect(page.getByLabel("Code")).toHaveValue("WDJB-MJHT");
    await page.getByRole("button", { name: "Go on" }).click();
    expect(await sent(page)).toEqual({ path: "/device", form: { user_code: ["WDJB-MJHT"] } });
  });
});

for (const path of ["/preview/consent", "/preview/approval"]) test(`to allow and to deny weigh the same: ${path}`, async ({ page }) => {
  await page.setViewportSize(phone);
  await open(page, path);
  const looks = await page.locator(".pair button").evaluateAll((all) => all.map((b) => {
    const { backgroundColor, borderColor, color, fontSize, fontWeight } = getComputedStyle(b);
    const { width, height } = b.getBoundingClientRect();
    return { backgroundColor, borderColor, color, fontSize, fontWeight, width: Math.round(width), height: Math.round(height) };
  }));
  expect(looks).toHaveLength(2);
  expect(looks[0]).toEqual(looks[1]);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false, viewport: phone });

  test("every page works and fits", async ({ page }) => {
    const complaints = watch(page);
    for (const path of samples) {
      await open(page, path);
      await expect(page.locator("h1")).toBeVisible();
      await fits(page);
      await expect(page.locator("#passkey"), path).toBeHidden();
    }
    expect(complaints).toEqual([]);
  });

  test("consent and sign-in are forms", async ({ page }) => {
    await open(page, "/preview/consent-local");
    await page.getByRole("button", { name: "Deny" }).click();
    expect((await sent(page)).form).toEqual({ authorization: ["atz_77aa"], scope: ["rsv_sales sales:read"], until: ["1d"], answer: ["deny"] });
    await open(page, "/preview/signin-wrong");
    await page.getByLabel("Password").fill("x");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    expect((await sent(page)).form).toEqual({ username: ["alice"], password: ["x"] });
  });
});

test("with JavaScript the passkey button is there", async ({ page }) => {
  await open(page, "/preview/signin");
  await expect(page.getByRole("button", { name: "Use a passkey" })).toBeVisible();
});

test("the page after consent goes on by itself, and has a link", async ({ page }) => {
  let left = "";
  await page.route(/^https:\/\/reports\.example\//, (route) => { left = route.request().url(); return route.fulfill({ status: 204 }); });
  await page.goto("/preview/continue");
  await expect.poll(() => left).toBe("https://reports.example/callback?code=sample&state=s1&iss=https%3A%2F%2Fauth.example");
  await expect(page.getByRole("link", { name: "Continue to reports.example" })).toBeVisible();
});

test("a form says that it comes from here", async ({ page }) => {
  await open(page, "/preview/consent");
  const [request] = await Promise.all([page.waitForRequest((r) => r.method() === "POST"), page.getByRole("button", { name: "Deny" }).click()]);
  expect((await request.allHeaders()).origin).toBe(process.env.PREVIEW);
});

test("a consent can be printed", async ({ page }) => {
  await page.emulateMedia({ media: "print" });
  await open(page, "/preview/consent");
  await expect(page.locator(".scopes")).toBeVisible();
  await expect(page.locator(".pair")).toBeHidden();
});
