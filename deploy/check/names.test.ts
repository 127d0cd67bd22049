import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../../dev/lib/paths.mjs";
import { outsideNames, unreplacedNames } from "./names.ts";
import { type Manifest, render } from "./render.ts";
import { ruleBreaches } from "./rules.ts";

/** What a clinic puts there. */
const OURS: Readonly<Record<string, string>> = {
  IMAGE: "registry.clinic.org:5000/medvault",
  PUBLIC_HOST: "records.clinic.org",
  ADMIN_EMAIL: "it@clinic.org",
  TRUSTED_PROXIES: "10.42.0.0/16",
  MAIL_NETWORK: "203.0.113.7/32",
  STORAGE_CLASS: "cephfs",
  GATEWAY_CLASS: "istio",
  CLUSTER_ISSUER: "letsencrypt",
  VAULT_URL: "https://vault.clinic.org:8200",
};

/** The production overlay, as somebody makes it theirs. */
function renderWith(names: Readonly<Record<string, string>>): Manifest[] {
  const copy = mkdtempSync(path.join(tmpdir(), "medvault-names-"));
  try {
    for (const part of ["k8s", "telemetry"])
      cpSync(path.join(root, "deploy", part), path.join(copy, part), { recursive: true });
    const overlay = path.join(copy, "k8s/overlays/production");
    const file = path.join(overlay, "names.env");
    const lines = readFileSync(file, "utf8").replace(/^([A-Z_]+)=.*/gm, (line, name: string) =>
      names[name] === undefined ? line : `${name}=${names[name]}`,
    );
    writeFileSync(file, lines);
    return render(overlay);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

test("each name of names.env stands somewhere, and is asked for until it is replaced", () => {
  const names = outsideNames();
  expect(names.map(({ name }) => name).sort()).toEqual(Object.keys(OURS).sort());
  const asked = unreplacedNames(renderWith({}));
  expect(asked).toHaveLength(names.length);
  for (const [at, { name, shipped, help }] of names.entries()) {
    expect(asked[at]).toContain(`${name} is still ${shipped} (in `);
    expect(asked[at]).toContain(help);
  }
  const { STORAGE_CLASS: _, ...others } = OURS;
  expect(unreplacedNames(renderWith(others))).toEqual([expect.stringMatching(/^STORAGE_CLASS is still/)]);
});

test("with names of one's own nothing is wrong, and they are everywhere", () => {
  const manifests = renderWith(OURS);
  expect(unreplacedNames(manifests)).toEqual([]);
  expect(ruleBreaches(manifests, new Set())).toEqual([]);
  expect(JSON.stringify(manifests)).not.toMatch(
    /[a-z]\.example\b|your-|"medvault:|shared-encrypted|0\.0\.0\.0\/0/,
  );
});

test.each([
  [{ TRUSTED_PROXIES: "everyone" }, "MEDVAULT_TRUSTED_PROXIES is everyone"],
  [{ PUBLIC_HOST: "not a host" }, "MEDVAULT_PUBLIC_URL is https://not a host"],
  [{ MAIL_NETWORK: "0.0.0.0/0" }, "NetworkPolicy mail: 0.0.0.0/0 is everywhere"],
  [{ MAIL_NETWORK: "mail.clinic.org" }, "NetworkPolicy mail: mail.clinic.org is no range of addresses"],
  [{ IMAGE: "registry.clinic.org/medvault:latest" }, "is no name of an image"],
])("%j is refused, by name", (names, says) => {
  expect(ruleBreaches(renderWith({ ...OURS, ...names }), new Set()).join("\n")).toContain(says);
});
