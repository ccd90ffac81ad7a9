// Somebody is asked to answer for an agent, at a running server: from the owner's page
// to the other's, on a phone.
import { test, expect } from "@playwright/test";
import { agent, allow, issuer, person, service } from "./deputy.mjs";
import { looked, phone, signIn, watch } from "./pages.mjs";

const heading = (page) => page.getByRole("heading", { level: 1 });

for (const javaScriptEnabled of [true, false]) {
  test.describe(`on a phone, ${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ viewport: phone, javaScriptEnabled });

    test("an agent is offered, accepted and handed on", async ({ page, browser }) => {
      const complaints = watch(page);
      const [olivia, joe] = [await person("Olivia Owner"), await person("Joe Junior")];
      const reporter = await agent("reporter", olivia);
      const sales = await service("sales", reporter, { "sales:read": ["See sales figures"], "sales:list": ["List customers"] });
      await allow(reporter, sales.at("sales:read"), sales.at("sales:list"));

      await page.goto(`${issuer}/login`);
      await signIn(page, olivia);
      await looked(page, "owned", javaScriptEnabled);
      await page.getByRole("link", { name: reporter.name }).click();
      await page.getByLabel("Who should answer for it?").fill(olivia.username);
      await page.getByRole("button", { name: "Offer it" }).click();
      await expect(page.getByText("Give the username of somebody else").first()).toBeVisible();
      expect(complaints.splice(0)).toEqual([expect.stringContaining("422")]); // what was wrong is answered as such
      await page.getByLabel("Who should answer for it?").fill("no-such-person");
      await page.getByRole("button", { name: "Offer it" }).click();
      await expect(page.getByRole("status")).toContainText("Offered to no-such-person");
      await page.getByRole("button", { name: "Take the offer back" }).click();
      await page.getByLabel("Who should answer for it?").fill(joe.username);
      await page.getByRole("button", { name: "Offer it" }).click();
      await expect(page.getByText("You answer for it until they accept")).toBeVisible();
      await looked(page, "offered", javaScriptEnabled);

      const context = await browser.newContext({ viewport: phone, javaScriptEnabled, locale: "en-US" }), his = await context.newPage();
      const more = watch(his);
      await his.goto(`${issuer}/login`);
      await signIn(his, joe);
      await expect(his.getByText("Somebody asks you to answer for an agent")).toBeVisible();
      await looked(his, "offers", javaScriptEnabled);
      await his.getByRole("link", { name: reporter.name }).click();
      await expect(heading(his)).toHaveText(`Answer for ${reporter.name}?`);
      for (const said of ["See sales figures", "List customers", "Olivia Owner", "Research"]) await expect(his.getByText(said).first()).toBeVisible();
      await looked(his, "transfer", javaScriptEnabled);
      const offer = his.url();
      await his.getByRole("button", { name: "Accept" }).click();
      await expect(his.getByRole("status")).toContainText(`you answer for ${reporter.name} from now on`);
      await looked(his, "accepted", javaScriptEnabled);
      await his.goto(offer);
      await expect(his.getByText("You have accepted this.")).toBeVisible();
      await looked(his, "transfer-over", javaScriptEnabled);

      await page.goto(`${issuer}/account`);
      await expect(page.getByText(reporter.name)).toHaveCount(0);

      // And back again, which she declines, in German.
      await his.goto(`${issuer}/account/agents/${reporter.client_id}`);
      await his.getByLabel("Who should answer for it?").fill(olivia.username);
      await his.getByRole("button", { name: "Offer it" }).click();
      await page.goto(`${issuer}/account?ui_locales=de`);
      await page.getByRole("link", { name: reporter.name }).click();
      await looked(page, "transfer-de", javaScriptEnabled);
      await page.getByRole("button", { name: "Ablehnen" }).click();
      await expect(page.getByRole("status")).toContainText("nichts geändert");
      await his.goto(`${issuer}/account`);
      await expect(his.getByRole("link", { name: reporter.name })).toHaveCount(1);
      expect([...complaints, ...more]).toEqual([]);
      await context.close();
    });
  });
}
