import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { root } from "../dev/lib/paths.mjs";
import { freshAdmin } from "./support/admin.ts";
import { ops } from "./support/ops.ts";
import { invite, registerPatient } from "./support/people.ts";

test("an auditor checks the whole log through the gateway, away from MedVault; a patient all but the bodies", async () => {
  const { client: admin } = await freshAdmin(ops());
  const auditor = await invite(ops(), admin, "auditor");
  const patient = await registerPatient(ops());
  const state = mkdtempSync(path.join(tmpdir(), "medvault-e2e-verify-"));
  onTestFinished(() => rmSync(state, { recursive: true }));

  /** The program, with somebody's token, and the folder of the run before. */
  function verify(who: typeof auditor) {
    const key = path.join(ops().dirs.data, "audit/audit.vkey");
    const program = path.join(root, "tools/audit-verify.mjs");
    const args = [program, "--key", key, "--url", ops().gateway, "--state", state, "--json"];
    const token = who.client.api.session.tokens?.access ?? "";
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      env: { MEDVAULT_TOKEN: token },
    });
    return { ...JSON.parse(stdout), stderr };
  }

  const first = verify(auditor);
  expect(first).toMatchObject({
    ok: true,
    from: 0,
    findings: [],
    unchecked: [],
    completeness: { by: "entries" },
  });
  expect(first.bodies).toBe(first.size);
  const second = verify(auditor);
  expect(second).toMatchObject({ ok: true, from: first.size });
  const third = verify(patient);
  expect(third).toMatchObject({ ok: true, unchecked: [expect.stringContaining("the bodies of entries")] });
}, 120_000);
