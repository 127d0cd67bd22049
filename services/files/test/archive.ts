import { Uint8ArrayReader, Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";

/** Reads an archive with a program that is not ours. */
export function createReader(zip: Buffer, password: string | null) {
  const source = new Uint8ArrayReader(new Uint8Array(zip));
  const reader = new ZipReader(source, { ...(password !== null && { password }), useWebWorkers: false });
  const entries = reader.getEntries();
  const bytes = async (name: string): Promise<Buffer> => {
    const found = (await entries).find(({ filename }) => filename === name);
    return Buffer.from((await found?.getData?.(new Uint8ArrayWriter())) ?? []);
  };
  return {
    bytes,
    text: async (name: string): Promise<string> => (await bytes(name)).toString(),
    names: async (): Promise<string[]> => (await entries).map(({ filename }) => filename),
    areEncrypted: async (): Promise<boolean> => (await entries).every(({ encrypted }) => encrypted),
  };
}
