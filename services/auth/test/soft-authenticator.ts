import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** What of the options of `navigator.credentials.create()` and `.get()` an authenticator needs. */
export interface Creation {
  challenge: string;
  rp: { id: string };
  user: { id: string };
}
export interface Request {
  challenge: string;
  rpId: string;
}

interface Held {
  id: Buffer;
  rpId: string;
  handle: string;
  key: KeyObject;
  publicKey: { x: Buffer; y: Buffer };
  count: number;
}

/** What may be wrong with what it signs. */
export interface Wrongs {
  origin?: string;
  rpId?: string;
  challenge?: string;
  type?: string;
  crossOrigin?: boolean;
  userVerified?: boolean;
  userPresent?: boolean;
  count?: number;
  userHandle?: string | null;
  signature?: (signature: Buffer) => Buffer;
  format?: "none" | "packed-x5c";
  credentialId?: Buffer;
}

/**
 * A WebAuthn authenticator and the browser before it, for tests: ES256 keys, attestation "none",
 * CBOR written by hand. It keeps no secret and does as it is asked.
 */
export class SoftAuthenticator {
  readonly origin: string;
  /** What it says its count of uses is made of: 0 keeps none. */
  readonly step: number;
  readonly held: Held[] = [];

  constructor(origin: string, step = 1) {
    this.origin = origin;
    this.step = step;
  }

  create(options: Creation, wrongs: Wrongs = {}) {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { x = "", y = "" } = publicKey.export({ format: "jwk" });
    const held: Held = {
      id: wrongs.credentialId ?? randomBytes(32),
      rpId: options.rp.id,
      handle: options.user.id,
      key: privateKey,
      publicKey: { x: Buffer.from(x, "base64url"), y: Buffer.from(y, "base64url") },
      count: 0,
    };
    this.held.push(held);
    const client = this.#clientData("webauthn.create", options.challenge, wrongs);
    const attested = Buffer.concat([
      Buffer.alloc(16),
      uint16(held.id.length),
      held.id,
      coseKey(held.publicKey),
    ]);
    const authData = Buffer.concat([authenticatorData(held.rpId, 0x40, held.count, wrongs), attested]);
    const id = held.id.toString("base64url");
    return {
      id,
      rawId: id,
      type: "public-key" as const,
      clientExtensionResults: {},
      authenticatorAttachment: "platform",
      response: {
        clientDataJSON: client.toString("base64url"),
        attestationObject: attestationObject(authData, wrongs.format ?? "none").toString("base64url"),
        transports: ["internal"],
      },
    };
  }

  /** Signs with the credential that was made last, or the `nth`. */
  get(options: Request, wrongs: Wrongs = {}, nth = -1) {
    const held = this.held.at(nth);
    if (!held) throw new Error("it holds no credential");
    held.count = wrongs.count ?? held.count + this.step;
    const client = this.#clientData("webauthn.get", options.challenge, wrongs);
    const authData = authenticatorData(wrongs.rpId ?? held.rpId, 0, held.count, wrongs);
    const signed = sign("sha256", Buffer.concat([authData, sha256(client)]), held.key);
    const signature = wrongs.signature ? wrongs.signature(signed) : signed;
    const id = held.id.toString("base64url");
    const userHandle = wrongs.userHandle === undefined ? held.handle : wrongs.userHandle;
    return {
      id,
      rawId: id,
      type: "public-key" as const,
      clientExtensionResults: {},
      response: {
        clientDataJSON: client.toString("base64url"),
        authenticatorData: authData.toString("base64url"),
        signature: signature.toString("base64url"),
        ...(userHandle === null ? {} : { userHandle }),
      },
    };
  }

  #clientData(type: string, challenge: string, wrongs: Wrongs): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: wrongs.type ?? type,
        challenge: wrongs.challenge ?? challenge,
        origin: wrongs.origin ?? this.origin,
        crossOrigin: wrongs.crossOrigin ?? false,
      }),
    );
  }
}

function authenticatorData(rpId: string, more: number, count: number, wrongs: Wrongs): Buffer {
  const present = wrongs.userPresent === false ? 0 : 0x01;
  const verified = wrongs.userVerified === false ? 0 : 0x04;
  const counter = Buffer.alloc(4);
  counter.writeUInt32BE(count);
  return Buffer.concat([
    sha256(Buffer.from(wrongs.rpId ?? rpId)),
    Buffer.from([present | verified | more]),
    counter,
  ]);
}

/** COSE_Key of a P-256 key, for ES256. */
function coseKey({ x, y }: { x: Buffer; y: Buffer }): Buffer {
  return Buffer.concat([
    Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
    x,
    Buffer.from([0x22, 0x58, 0x20]),
    y,
  ]);
}

function attestationObject(authData: Buffer, format: "none" | "packed-x5c"): Buffer {
  const statement =
    format === "none"
      ? Buffer.from([0xa0])
      : Buffer.concat([
          Buffer.from([0xa3]),
          text("alg"),
          Buffer.from([0x26]),
          text("sig"),
          bytes(randomBytes(70)),
          text("x5c"),
          Buffer.from([0x81]),
          bytes(randomBytes(200)),
        ]);
  return Buffer.concat([
    Buffer.from([0xa3]),
    text("fmt"),
    text(format === "none" ? "none" : "packed"),
    text("attStmt"),
    statement,
    text("authData"),
    bytes(authData),
  ]);
}

const text = (value: string) => Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)]);
const bytes = (value: Buffer) => Buffer.concat([Buffer.from([0x59]), uint16(value.length), value]);

function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

function sha256(data: Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}
