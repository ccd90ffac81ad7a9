// Every page, in every state: sizes, light and dark, English and German, axe,
// and nothing that the content security policy had to stop.
import { test, expect } from "@playwright/test";
import { desk, fits, grave, open, phone, samples, small, watch, wide } from "./pages.mjs";

test("there are samples", () => expect(samples.length).toBeGreaterThan(25));

for (const path of samples) {
  const name = path.split("/").pop();

  // Every rule is held at either size and, where it is about colours, in either scheme.
  test(`${name} looks right`, async ({ page }) => {
    const complaints = watch(page);
    await page.setViewportSize(phone);
    await open(page, path);
    expect(await grave(page)).toEqual([]);
    await tall(page);
    await seen(page, name, "phone-light");
    await page.emulateMedia({ colorScheme: "dark" });
    await seen(page, name, "phone-dark");
    await page.setViewportSize(desk);
    expect(await grave(page)).toEqual([]);
    await seen(page, name, "desk-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await seen(page, name, "desk-light");
    await page.setViewportSize(wide);
    await fits(page);
    await page.setViewportSize(small);
    await fits(page);
    await open(page, `${path}?ui_locales=de`);
    expect(await page.locator("html").getAttribute("lang")).toBe("de");
    await fits(page);
    await page.setViewportSize(phone);
    await seen(page, name, "phone-german");
    expect(complaints).toEqual([]);
  });
}

/** seen: it fits, and there is a picture of it if pictures are wanted. */
async function seen(page, name, how) {
  await fits(page);
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${how}.png`, fullPage: true });
}

/** tall: what is pressed has 44 px, links inside of sentences aside. */
async function tall(page) {
  const low = await page.evaluate(() => [...document.querySelectorAll("button, a.button, label:has(input[type=checkbox]), label:has(input[type=radio]), nav a, summary, .field input")]
    .filter((e) => e.checkVisibility()).map((e) => ({ text: e.textContent.trim().slice(0, 40), height: Math.round(e.getBoundingClientRect().height) })).filter((e) => e.height < 44));
  expect(low).toEqual([]);
}
