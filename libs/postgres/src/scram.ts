import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const ITERATIONS = 4096; // Postgres' own number; clients pay for it at every connection
const PRINTABLE_ASCII = /^[\x21-\x7e]{16,256}$/;

/**
 * The SCRAM-SHA-256 verifier of a password (RFC 5802, RFC 7677) in the form that Postgres stores,
 * so that the password itself never stands in a statement, hence in no server log. Refuses anything
 * but 16 to 256 printable ASCII letters, for which SASLprep changes nothing.
 */
export async function scramVerifier(password: string): Promise<string> {
  if (!PRINTABLE_ASCII.test(password)) {
    throw new Error("a role's password must be 16 to 256 printable ASCII letters");
  }
  const salt = randomBytes(16);
  const salted = await promisify(pbkdf2)(password, salt, ITERATIONS, 32, "sha256");
  const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64");
  const serverKey = hmac(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}
