// Says at the very end what failed, and what the page showed: the end is what is
// kept of a long log.
import { readFileSync } from "node:fs";

const plain = (text) => (text ?? "").replace(/\u001b\[\d+m/g, "");

export default class Failures {
  tests = new Map();

  onTestEnd(test, result) {
    if (result.status === "passed" || result.status === "skipped") return;
    const seen = result.attachments.find((a) => a.name === "error-context" && a.path);
    const shown = seen ? readFileSync(seen.path, "utf8").split("```yaml")[1]?.split("```")[0] : "";
    this.tests.set(test.titlePath().join(" › ") + `, attempt ${result.retry + 1}`, `${plain(result.error?.message).slice(0, 900)}\n${(shown ?? "").slice(0, 900)}`);
  }

  onExit() {
    for (const [name, why] of this.tests) console.log(`FAILED${name}\n${why}`);
  }
}
