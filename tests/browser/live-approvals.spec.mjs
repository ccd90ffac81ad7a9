// Agents ask somebody who is elsewhere, at a running server: on a phone, from the
// request to the token, or to none.
import { test, expect } from "@playwright/test";
import {
  agent, allow, bcAuthorize, ciba, claims, deviceAuthorization, deviceCode, issuer, person, poll, pollDevice, service,
} from "./deputy.mjs";
import { authenticator, looked, phone, signIn, watch } from "./pages.mjs";

/** scene: Joe may read and list, and agents of his ask him. */
async function scene() {
  const joe = await person("Joe Junior"), keeper = await agent("keeper", joe);
  const sales = await service("sales", keeper, {
    "sales:read": ["See sales figures"], "sales:list": ["List customers"], "sales:export": ["Export customer records"],
  });
  await allow(joe, sales.at("sales:read"), sales.at("sales:list"));
  const asker = async (name) => {
    const made = await agent(name, joe, undefined, [ciba, deviceCode, "refresh_token"]);
    await allow(made, sales.at("sales:read"), sales.at("sales:list"), sales.at("sales:export"));
    return made;
  };
  return { joe, sales, asker };
}

const heading = (page) => page.getByRole("heading", { level: 1 });

/** nothing: the client was refused for good, and has not the least of a token. */
function nothing(answer, error) {
  expect(answer.error).toBe(error);
  for (const token of ["access_token", "id_token", "refresh_token"]) expect(answer).not.toHaveProperty(token);
}

/** opened leads from the inbox to what an agent asks; without a script the inbox is loaded again. */
async function opened(page, by, scripts) {
  if (!scripts) await page.goto(`${issuer}/approvals`);
  await page.getByRole("link", { name: by.name }).first().click();
  await expect(heading(page)).toContainText(`${by.name} asks to act for you`);
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`on a phone, ${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ viewport: phone, javaScriptEnabled });

    test("an agent in the background", async ({ page, browser }) => {
      const complaints = watch(page), s = await scene();
      const [night, late, bad] = await Promise.all(["night", "late", "bad"].map(s.asker));
      await page.goto(`${issuer}/approvals`);
      await signIn(page, s.joe);
      await expect(page.getByText("Nothing waits for you")).toBeVisible();

      // One that is left to lie, in a tab of its own.
      const short = await bcAuthorize(late, s.joe, s.sales, "sales:read", { requested_expiry: 10 });
      const over = Date.now() + 1000 * (short.expires_in + 1), left = await page.context().newPage();
      await left.goto(`${issuer}/approvals`);
      await opened(left, late, true);

      // Less than was asked.
      const asked = await bcAuthorize(night, s.joe, s.sales, "sales:read sales:list sales:export", { binding_message: "Report 42" });
      expect((await poll(night, asked.auth_req_id)).error).toBe("authorization_pending");
      await opened(page, night, javaScriptEnabled);
      await expect(page.getByRole("figure")).toContainText("Report 42");
      await expect(page.locator(".compare")).toContainText(asked.compare_code);
      await expect(page.getByRole("checkbox", { name: /Export customer records/ })).toBeDisabled();
      await page.getByRole("checkbox", { name: /List customers/ }).uncheck();
      await looked(page, "approval", javaScriptEnabled);
      await page.getByRole("button", { name: "Approve" }).click();
      await expect(heading(page)).toHaveText("You approved this");
      await looked(page, "approved", javaScriptEnabled);
      const token = await poll(night, asked.auth_req_id);
      expect(token.scope).toBe("sales:read");
      const said = claims(token.access_token);
      expect([said.sub, said.act.sub, said.aud, said.scope]).toEqual([s.joe.id, night.client_id, s.sales.identifier, "sales:read"]);
      nothing(await poll(night, asked.auth_req_id), "invalid_grant");

      // Answered on two devices: the first counts.
      const twice = await bcAuthorize(night, s.joe, s.sales, "sales:read");
      await page.goto(`${issuer}/approvals`);
      await opened(page, night, true);
      const context = await browser.newContext({ storageState: await page.context().storageState(), javaScriptEnabled: false, viewport: phone });
      const other = await context.newPage();
      await other.goto(page.url());
      await page.getByRole("button", { name: "Approve" }).click();
      await expect(heading(page)).toHaveText("You approved this");
      await other.getByRole("button", { name: "Deny", exact: true }).click();
      await expect(heading(other)).toHaveText("You approved this");
      await expect(other.getByText("It was answered before")).toBeVisible();
      await context.close();
      expect((await poll(night, twice.auth_req_id)).scope).toBe("sales:read");

      // Nobody answered in time.
      if (javaScriptEnabled) await expect(heading(left)).toHaveText("This request has expired", { timeout: 20_000 });
      else {
        await expect.poll(() => Date.now(), { timeout: 20_000 }).toBeGreaterThan(over);
        await left.getByRole("button", { name: "Approve" }).click();
        await expect(heading(left)).toHaveText("This request has expired");
      }
      nothing(await poll(late, short.auth_req_id), "expired_token");

      // No, and never again.
      const denied = await bcAuthorize(late, s.joe, s.sales, "sales:read");
      await page.goto(`${issuer}/approvals`);
      await opened(page, late, true);
      await page.getByRole("button", { name: "Deny", exact: true }).click();
      await expect(heading(page)).toHaveText("You denied this");
      nothing(await poll(late, denied.auth_req_id), "access_denied");
      const reported = await bcAuthorize(bad, s.joe, s.sales, "sales:read");
      await page.goto(`${issuer}/approvals`);
      await opened(page, bad, true);
      await page.getByRole("button", { name: "Deny and report" }).click();
      await expect(heading(page)).toHaveText("Denied and reported");
      nothing(await poll(bad, reported.auth_req_id), "access_denied");
      nothing(await bcAuthorize(bad, s.joe, s.sales, "sales:read"), "access_denied");
      await page.goto(`${issuer}/approvals`);
      await expect(page.getByText("Answered lately")).toBeVisible();
      await looked(page, "inbox", javaScriptEnabled);
      expect(complaints.filter((c) => !c.includes("409"))).toEqual([]); // too late is a conflict
    });

    test("a device without a browser", async ({ page }) => {
      const complaints = watch(page), s = await scene();
      const wall = await s.asker("wall");
      const device = await deviceAuthorization(wall, s.sales, "sales:read sales:list");
      expect((await pollDevice(wall, device.device_code)).error).toBe("authorization_pending");
      await page.goto(device.verification_uri_complete);
      await signIn(page, s.joe);
      await expect(page.getByLabel("Code")).toHaveValue(device.user_code);
      await page.getByLabel("Code").fill("BBBB-BBBB");
      await page.getByRole("button", { name: "Go on" }).click();
      await expect(page.getByRole("alert")).toContainText("No device waits with this code");
      await looked(page, "device", javaScriptEnabled);
      await page.getByLabel("Code").fill(device.user_code.replace("-", "").toLowerCase());
      await page.getByRole("button", { name: "Go on" }).click();
      await expect(heading(page)).toContainText(`${wall.name} asks to act for you`);
      await expect(page.getByText("Did you start this yourself")).toBeVisible();
      await expect(page.locator(".compare")).toContainText(device.user_code);
      await looked(page, "device-approval", javaScriptEnabled);
      await page.getByRole("checkbox", { name: /List customers/ }).uncheck();
      await page.getByRole("button", { name: "Approve" }).click();
      await expect(page.getByText("Go back to your device")).toBeVisible();
      const token = await pollDevice(wall, device.device_code);
      expect([token.scope, claims(token.access_token).sub]).toEqual(["sales:read", s.joe.id]);

      const denied = await deviceAuthorization(wall, s.sales, "sales:read");
      await page.goto(denied.verification_uri_complete);
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByRole("button", { name: "Deny", exact: true }).click();
      await expect(heading(page)).toHaveText("You denied this");
      nothing(await pollDevice(wall, denied.device_code), "access_denied");
      expect(complaints.filter((c) => !c.includes("422"))).toEqual([]); // the wrong code
    });
  });
}

test("what wants more than a password is approved with a passkey", async ({ page }) => {
  await page.setViewportSize(phone);
  await authenticator(page);
  const complaints = watch(page), s = await scene(), careful = await s.asker("careful");
  await page.goto(`${issuer}/login`);
  await signIn(page, s.joe);
  await page.goto(`${issuer}/account/passkeys`);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await expect(page.getByRole("row").nth(1)).toBeVisible();
  const asked = await bcAuthorize(careful, s.joe, s.sales, "sales:read", { acr_values: "2" });
  await page.goto(`${issuer}/approvals`);
  await opened(page, careful, true);
  await expect(page.getByText("First, show that it is you")).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);
  await looked(page, "approval-again", true);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(heading(page)).toHaveText("You approved this");
  const said = claims((await poll(careful, asked.auth_req_id)).access_token);
  expect([said.scope, said.acr, said.sub]).toEqual(["sales:read", "2", s.joe.id]);
  expect(complaints).toEqual([]);
});
