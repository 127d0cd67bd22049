import { files } from "./files/file.table.ts";

/** The sealed tables: what a field policy may change and `npm run keys -- reseal` seals again. */
export const sealedTables = [files] as const;

/** How events call one row of each. */
export const rowKinds = { files: "file" };
