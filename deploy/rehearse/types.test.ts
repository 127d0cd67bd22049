import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "vitest";
import { root } from "../../dev/lib/paths.mjs";

test("the rehearsal, which no test runs, fits the types of what it uses", () => {
  execFileSync(path.join(root, "node_modules/.bin/tsc"), ["--noEmit", "-p", import.meta.dirname], {
    stdio: "pipe",
    encoding: "utf8",
  });
});
