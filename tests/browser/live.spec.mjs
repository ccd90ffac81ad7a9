// Somebody lets an agent act for them, at a running server: from the agent's link to
// the token, and to its end.
import { test, expect } from "@playwright/test";
import { active, agent, allow, callback, exchange, issuer, link, person, redeem, refresh, service } from "./deputy.mjs";
import { authenticator, desk, looked, phone, signIn, watch } from "./pages.mjs";

/** scene: Joe may read and list; the agent may read and export; helper works below it. */
async function scene() {
  const back = await callback();
  const owner = await person("Olivia Owner"), joe = await person("Joe Junior");
  const helper = await agent("helper", owner), deep = await agent("deep", owner), assistant = await agent("assistant", owner, back.url);
  const files = await service("files", deep, { "files:get": ["Open files"] });
  const search = await service("search", helper, { "search:find": ["Find documents", [files.at("files:get")]] });
  const sales = await service("sales", assistant, {
    "sales:read": ["See sales figures", [search.at("search:find")]], "sales:list": ["List customers"], "sales:export": ["Export customer records"],
  });
  const below = [search.at("search:find"), files.at("files:get")];
  await allow(joe, sales.at("sales:read"), sales.at("sales:list"), ...below);
  await allow(assistant, sales.at("sales:read"), sales.at("sales:list"), sales.at("sales:export"), ...below);
  await allow(helper, files.at("files:get"));
  return { back, joe, helper, deep, assistant, sales, search, files };
}

/** answered: the browser is back at the agent, with an answer that is the agent's. */
async function answered(s, asked) {
  const url = await s.back.next();
  expect(url.searchParams.get("state")).toBe(asked.state);
  expect(url.searchParams.get("iss")).toBe(issuer);
  return url.searchParams;
}

for (const [size, viewport] of Object.entries({ phone, desk })) {
  for (const javaScriptEnabled of [true, false]) {
    test.describe(`${size}, ${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
      test.use({ viewport, javaScriptEnabled });

      test("allow in part, then take it back", async ({ page }) => {
        const complaints = watch(page), s = await scene();
        const asked = link(s.assistant, s.back.url, s.sales, "sales:read sales:list sales:export");
        await page.goto(asked.url);
        await looked(page, "signin", javaScriptEnabled);
        await signIn(page, s.joe);
        await expect(page.getByRole("heading", { level: 1 })).toContainText(`${s.assistant.name} wants to act for you at ${s.sales.name}`);
        await expect(page.getByRole("checkbox", { name: /Export customer records/ })).toBeDisabled();
        await page.getByRole("checkbox", { name: /List customers/ }).uncheck();
        await looked(page, "consent", javaScriptEnabled);
        await page.getByRole("button", { name: "Allow" }).click();
        const answer = await answered(s, asked);
        await page.waitForURL(s.back.url + "*");

        const token = await redeem(s.assistant, s.back.url, asked, answer.get("code"));
        expect(token.scope).toBe("sales:read");
        const child = await exchange(s.assistant, token.access_token, s.search, "search:find");
        const grandchild = await exchange(s.helper, child.access_token, s.files, "files:get");
        const all = async () => [await active(s.assistant, token.access_token), await active(s.helper, child.access_token), await active(s.deep, grandchild.access_token)];
        expect(await all()).toEqual([true, true, true]);

        await page.goto(`${issuer}/account`);
        await looked(page, "account", javaScriptEnabled);
        await page.getByRole("link", { name: s.assistant.name }).click();
        await expect(page.getByRole("listitem").filter({ hasText: s.files.name }).or(page.getByText("Find documents")).first()).toBeVisible();
        await looked(page, "agent", javaScriptEnabled);
        await page.locator(`a[href$="/account/agents/${s.assistant.client_id}/revoke"]`).click();
        await looked(page, "revoke", javaScriptEnabled);
        await page.locator("form[action$='/revoke'] button").click();
        await expect(page.getByRole("status").or(page.getByText("can no longer do anything for you")).first()).toBeVisible();
        expect(await all()).toEqual([false, false, false]);
        expect((await refresh(s.assistant, token.refresh_token)).error).toBe("invalid_grant");
        expect(complaints).toEqual([]);
        s.back.close();
      });

      test("deny, and nothing is given", async ({ page }) => {
        const complaints = watch(page), s = await scene();
        const asked = link(s.assistant, s.back.url, s.sales, "sales:read");
        await page.goto(asked.url);
        await signIn(page, s.joe);
        await page.getByRole("button", { name: "Deny" }).click();
        const answer = await answered(s, asked);
        expect([answer.get("error"), answer.get("code")]).toEqual(["access_denied", null]);
        await page.waitForURL(s.back.url + "*");
        await page.goto(`${issuer}/account`);
        await expect(page.getByText(s.assistant.name)).toHaveCount(0);
        expect(complaints).toEqual([]);
        s.back.close();
      });
    });
  }
}

test.describe("with a passkey", () => {
  for (const [size, viewport] of Object.entries({ phone, desk })) {
    test(size, async ({ page }) => {
      await page.setViewportSize(viewport);
      await authenticator(page);
      const complaints = watch(page), s = await scene();
      await page.goto(`${issuer}/login`);
      await signIn(page, s.joe);
      await page.goto(`${issuer}/account/passkeys`);
      await page.getByRole("button", { name: "Add a passkey" }).click();
      await expect(page.getByRole("row").nth(1)).toBeVisible();
      await looked(page, "passkeys", true);
      await page.getByRole("button", { name: "Sign out" }).click();

      const asked = link(s.assistant, s.back.url, s.sales, "sales:read", { acr_values: "2" });
      await page.goto(asked.url);
      await page.getByRole("button", { name: "Use a passkey" }).click();
      await page.getByRole("button", { name: "Allow" }).click();
      const answer = await answered(s, asked);
      const token = await redeem(s.assistant, s.back.url, asked, answer.get("code"));
      expect(token.scope).toBe("sales:read");
      const claims = JSON.parse(Buffer.from(token.access_token.split(".")[1], "base64url"));
      expect([claims.sub, claims.acr, claims.act.sub]).toEqual([s.joe.id, "2", s.assistant.client_id]);
      expect(complaints).toEqual([]);
      s.back.close();
    });
  }
});

test("two tabs, the back button and a stale page", async ({ page, context }) => {
  const s = await scene();
  const asked = link(s.assistant, s.back.url, s.sales, "sales:read");
  await page.goto(asked.url);
  await signIn(page, s.joe);
  await page.getByRole("button", { name: "Allow" }).waitFor();
  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByRole("button", { name: "Deny" }).click();
  expect((await answered(s, asked)).get("error")).toBe("access_denied");
  await page.getByRole("button", { name: "Allow" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("expired");
  await page.goBack();
  await page.reload();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("expired");
  s.back.close();
});
