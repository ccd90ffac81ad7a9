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

test("Allow and Deny weigh the same", async ({ page }) => {
  await page.setViewportSize(phone);
  await open(page, "/preview/consent");
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
