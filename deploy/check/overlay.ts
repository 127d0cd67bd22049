// Runs under Node 24: whether an overlay may be given to a cluster, as `npm run k8s` asks.
import path from "node:path";
import { parseArgs } from "node:util";
import { sentenceFor, Trouble } from "../../dev/lib/words.mjs";
import setup from "./global-setup.ts";

try {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [folder, ...others] = positionals;
  if (!folder || others.length > 0)
    throw new Trouble("name one overlay: npm run k8s -- deploy/k8s/overlays/production");
  setup();
  process.exitCode = (await check(path.resolve(folder))) ? 0 : 1;
} catch (error) {
  console.error(`k8s: ${sentenceFor(error) ?? (error as Error).stack}`);
  process.exitCode = 1;
}
process.disconnect?.();

/** True when nothing is wrong. */
async function check(overlay: string): Promise<boolean> {
  // Not before their packages are there.
  const { render } = await import("./render.ts");
  const { unreplacedNames } = await import("./names.ts");
  const { ruleBreaches } = await import("./rules.ts");
  const { nameOf, schemaBreaches, typeBreaches, withoutSchema } = await import("./schemas.ts");
  const manifests = rendered(() => render(overlay));
  const unknown = await withoutSchema(manifests);
  const known = manifests.filter((manifest) => !unknown.includes(manifest));
  for (const manifest of unknown)
    console.log(`not looked at: ${nameOf(manifest)}, whose schema is not known here`);
  const names = unreplacedNames(manifests);
  const faults = [
    ...(await schemaBreaches(known)),
    ...typeBreaches(known),
    ...ruleBreaches(manifests, new Set()),
  ];
  for (const sentence of [...names, ...faults]) console.error(`- ${sentence}`);
  const all = names.length + faults.length;
  console.log(
    all === 0
      ? `k8s: nothing is wrong with the ${manifests.length} manifests of ${overlay}; kubectl apply --kustomize ${overlay}`
      : `k8s: ${all} to put right before this is applied (${names.length} of them in names.env).`,
  );
  return all === 0;
}

function rendered<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const words = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new Trouble(`kubectl cannot render it: ${words}`);
  }
}
