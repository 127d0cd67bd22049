// What is rehearsed: base with the settings of production, the servers of dev, mails by SMTP.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { root } from "../../dev/lib/paths.mjs";
import { type Manifest, readKustomization, render, writeKustomization } from "../check/render.ts";

/** A mail server of the clinic, outside of the cluster. */
export const MAIL_HOST = "mail.clinic.example";

interface Patch {
  target?: { kind?: string; name?: string };
  patch?: string;
  path?: string;
}

/** Its secrets are made in `work`, which keeps a copy of the manifests. */
export function renderRehearsed(work: string): Manifest[] {
  const copy = path.join(work, "k8s");
  for (const part of ["k8s", "telemetry"])
    fs.cpSync(path.join(root, "deploy", part), path.join(work, part), { recursive: true });
  const overlay = path.join(copy, "overlays/rehearsed");
  fs.mkdirSync(overlay);
  const secrets = path.join(overlay, "secrets");
  execFileSync(process.execPath, ["tools/make-secrets.ts", secrets], { cwd: root, stdio: "pipe" });
  fs.writeFileSync(path.join(secrets, "auth/smtp-url"), `smtps://${MAIL_HOST}`);
  const dev = readKustomization(path.join(copy, "overlays/dev")) as {
    components: string[];
    secretGenerator: { name: string; files: string[] }[];
  };
  dev.secretGenerator
    .find(({ name }) => name === "medvault-auth")
    ?.files.push("MEDVAULT_SMTP_URL=secrets/auth/smtp-url");
  const production = readKustomization(path.join(copy, "overlays/production")) as { patches: Patch[] };
  const proxies = production.patches.filter(({ patch }) => patch?.includes("MEDVAULT_TRUSTED_PROXIES"));
  const components = [...dev.components, "../../components/prometheus-operator"];
  writeKustomization(overlay, {
    ...dev,
    components,
    patches: [...proxies, TRUSTS_MAIL_SERVER, KNOWS_CLINIC],
  });
  return render(overlay);
}

const settingOf = (name: string, setting: string, value: string): Patch => ({
  target: { kind: "Deployment", name },
  patch: JSON.stringify([
    { op: "add", path: "/spec/template/spec/containers/0/env/-", value: { name: setting, value } },
  ]),
});
/** As for any mail server whose certificate is of an authority of the house. */
const TRUSTS_MAIL_SERVER = settingOf("auth", "NODE_EXTRA_CA_CERTS", "/run/medvault/tls/ca.crt");
/** Those who work in the clinic, all of whom have the addresses of `clinicAddress`. */
const KNOWS_CLINIC = settingOf("gateway", "MEDVAULT_TRUSTED_RANGES", "198.51.100.0/24");
export const clinicAddress = (at: number): string => `198.51.100.${1 + (at % 250)}`;
