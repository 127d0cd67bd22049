// npm run release: what operators get of a version.
import { command, handOver } from "./lib/cli.mjs";
import { checkNode, ensurePackages } from "./lib/prepare.mjs";

const HELP = `npm run release [-- --build [--key <file>] [--out <folder>] [--rehearse]]

Releases the version of package.json. Without --build it is a dry run: says what stands in the way, and
what would be made. docs/releases.md has the whole way.

  --build      makes it: image, sources, offline packages, manifests, bill of materials, provenance,
               checksums; needs buildah, podman and kubectl, as root
  --key        an Ed25519 key (PEM, mode 600) that signs the provenance; without one it is unsigned
  --out        where to; default: .data/release/v<version>
  --rehearse   builds though it could not be released, for trying the build; never of changed files`;

await command(HELP, async (args) => {
  checkNode();
  await ensurePackages(console.log);
  return handOver("dev/release/release.ts", args);
});
