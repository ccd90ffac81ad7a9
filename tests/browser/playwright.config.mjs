import { defineConfig } from "@playwright/test";
import { existsSync } from "node:fs";

// The system's Chromium: Playwright's own would have to be fetched from elsewhere.
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => p && existsSync(p));

export default defineConfig({
  testDir: ".",
  outputDir: process.env.OUTPUT,
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  timeout: 60_000,
  // In CI a machine may stand still for a moment; what needed a second attempt is said.
  retries: process.env.CI ? 1 : 0,
  reporter: [["line"], ["./failures.mjs"]],
  use: {
    baseURL: process.env.PREVIEW,
    locale: "en-US",
    reducedMotion: "reduce",
    launchOptions: {
      executablePath,
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
      ],
    },
  },
});
