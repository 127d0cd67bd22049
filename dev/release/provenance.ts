// Where the files of a release come from: an in-toto statement with SLSA's provenance, in a DSSE envelope.
import { createHash, createPrivateKey, type KeyObject, sign } from "node:crypto";
import fs from "node:fs";
import { Trouble } from "../lib/words.mjs";
import { keyIdOf, PAYLOAD_TYPE, preAuthentication } from "./verify.mjs";

export interface Inputs {
  readonly version: string;
  readonly commit: string;
  readonly node: string;
  /** Programs that built it, with what they say of their versions. */
  readonly tools: Readonly<Record<string, string>>;
  /** Lock files, by their paths. */
  readonly locks: Readonly<Record<string, Buffer>>;
  /** Images that ours is built from, with their digests. */
  readonly images: readonly { readonly name: string; readonly sha256: string; readonly isStandIn: boolean }[];
}

const REPOSITORY = "git+https://medvault.invalid/medvault";
const BUILD_TYPE = "https://medvault.invalid/npm-run-release/v1";

/** By slsa.dev/spec/v1.0/provenance. It holds no time and no machine: two builds say the same. */
export function statementOf(subjects: ReadonlyMap<string, string>, o: Inputs): object {
  const dependencies = [
    { uri: `${REPOSITORY}@refs/tags/v${o.version}`, digest: { gitCommit: o.commit } },
    ...Object.entries(o.locks).map(([name, bytes]) => ({
      ...{ name, digest: { sha256: createHash("sha256").update(bytes).digest("hex") } },
    })),
    ...o.images.map(({ name, sha256, isStandIn }) => ({
      ...{ name, uri: `docker://${name}`, digest: { sha256 } },
      ...(isStandIn
        ? { annotations: { standIn: "made of Debian's packages, since no registry was in reach" } }
        : {}),
    })),
  ];
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [...subjects].map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { version: o.version, command: "npm run release -- --build" },
        internalParameters: { node: o.node, tools: o.tools },
        resolvedDependencies: dependencies,
      },
      runDetails: { builder: { id: "https://medvault.invalid/maintainers-machine" } },
    },
  };
}

/** The statement, signed; without a key with no signature, which verify says. */
export function envelopeOf(statement: object, key: KeyObject | null): object {
  const payload = Buffer.from(JSON.stringify(statement));
  const sig = key && sign(null, preAuthentication(PAYLOAD_TYPE, payload), key).toString("base64");
  return {
    payloadType: PAYLOAD_TYPE,
    payload: payload.toString("base64"),
    signatures: key ? [{ keyid: keyIdOf(key), sig }] : [],
  };
}

/** The maintainers' private key. Throws Trouble for what is none, or what others can read. */
export function signingKey(file: string): KeyObject {
  if (!fs.existsSync(file))
    throw new Trouble(`${file} is not there: openssl genpkey -algorithm ed25519 -out ${file} makes a key.`);
  if (fs.statSync(file).mode & 0o077)
    throw new Trouble(`Others than you can read ${file}: chmod 600 ${file}.`);
  let key: KeyObject;
  try {
    key = createPrivateKey(fs.readFileSync(file));
  } catch {
    throw new Trouble(`${file} is no private key in PEM without a passphrase.`);
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new Trouble(`${file} is no Ed25519 key: openssl genpkey -algorithm ed25519 -out ${file} makes one.`);
}
