// Prints the CycloneDX bill of materials of the folder that it is called in: each package that npm has installed
// there, and Node. (npm sbom leaves out packages that several workspaces share.) Runs in the image's build.
import { readFileSync } from "node:fs";

/** @typedef {{version: string, integrity?: string, license?: string, link?: boolean}} Installed */

/** @type {{packages: Record<string, Installed>}} */
const { packages } = JSON.parse(readFileSync("node_modules/.package-lock.json", "utf8"));
const own = JSON.parse(readFileSync("package.json", "utf8"));

/**
 * @param {string} place
 * @param {Installed} installed
 */
function component(place, { version, integrity, license }) {
  const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const [, sum = ""] = integrity?.split("sha512-") ?? [];
  return {
    type: "library",
    "bom-ref": `${purl}#${place}`,
    ...{ name, version, purl },
    ...(license
      ? { licenses: [license.includes(" ") ? { expression: license } : { license: { name: license } }] }
      : {}),
    ...(sum ? { hashes: [{ alg: "SHA-512", content: Buffer.from(sum, "base64").toString("hex") }] } : {}),
  };
}

const node = process.version.slice(1);
const bom = {
  bomFormat: "CycloneDX",
  specVersion: "1.5",
  version: 1,
  metadata: { component: { type: "application", name: own.name, version: own.version } },
  components: [
    { type: "application", name: "node", version: node, purl: `pkg:generic/node@${node}` },
    ...Object.entries(packages)
      .filter(([place, { link }]) => place.includes("node_modules/") && !link)
      .map(([place, installed]) => component(place, installed)),
  ],
};
console.log(JSON.stringify(bom, null, 1));
