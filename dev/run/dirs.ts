import path from "node:path";
import { sharedPath } from "../lib/paths.mjs";
import { privateDir } from "../servers/files.ts";

export interface Dirs {
  data: string;
  /** Postgres' own directory; made by initdb. */
  postgres: string;
  files: string;
  backups: string;
  mail: string;
  keys: string;
  logs: string;
  /** The audit log's store outside Postgres. */
  audit: string;
  /** Shared by all data directories: it holds code. */
  compileCache: string;
}

/** Every directory of one MedVault, made with mode 0700. */
export function makeDirs(data: string): Dirs {
  const own = (name: string) => privateDir(path.join(data, name));
  own("keys/public");
  return {
    data,
    postgres: path.join(data, "postgres"),
    files: own("files"),
    backups: own("backups"),
    mail: own("mail"),
    keys: own("keys"),
    logs: own("log"),
    audit: own("audit"),
    compileCache: privateDir(sharedPath("compile-cache")),
  };
}
