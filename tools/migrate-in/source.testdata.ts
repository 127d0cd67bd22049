import { createCipheriv, createHmac, randomBytes } from "node:crypto";

/** A key the way CareCrypt keeps it. */
export const fernetKey = (): string => randomBytes(32).toString("base64url").concat("=");

/** https://github.com/fernet/spec/blob/master/Spec.md */
export function fernetToken(key: string, message: string | Buffer, seconds = 1_700_000_000): string {
  const bytes = Buffer.from(key, "base64url");
  const head = Buffer.alloc(9, 0x80);
  head.writeBigUInt64BE(BigInt(seconds), 1);
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-128-cbc", bytes.subarray(16), iv);
  const signed = Buffer.concat([head, iv, cipher.update(message), cipher.final()]);
  const hmac = createHmac("sha256", bytes.subarray(0, 16)).update(signed).digest();
  const token = Buffer.concat([signed, hmac]).toString("base64url");
  return token + "=".repeat(-token.length & 3);
}

/** A prescription of CareCrypt, before it is sealed. */
export interface CareCryptRow {
  readonly id: number;
  readonly user: number;
  readonly name: string;
  readonly medication: string;
  readonly notes: string | null;
  readonly file?: string;
}

const HEAD = `/*M!999999\\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: carecrypt
-- ------------------------------------------------------
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
`;
const AUDIT = `DROP TABLE IF EXISTS \`audit_logs\`;
CREATE TABLE \`audit_logs\` (
  \`id\` int(11) NOT NULL AUTO_INCREMENT,
  \`details\` text DEFAULT NULL COMMENT 'what; who, (and) when',
  PRIMARY KEY (\`id\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
LOCK TABLES \`audit_logs\` WRITE;
INSERT INTO \`audit_logs\` VALUES
(1,'Added; (x), \\'y\\' -- no comment'),
(2,NULL);
UNLOCK TABLES;
`;
const IMAGES = `CREATE TABLE \`prescription_images\` (
  \`id\` int(11) NOT NULL AUTO_INCREMENT,
  \`prescription_id\` int(11) NOT NULL,
  \`filename\` varchar(255) NOT NULL,
  \`original_ext\` varchar(10) NOT NULL,
  \`created_at\` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (\`id\`),
  KEY \`prescription_id\` (\`prescription_id\`),
  CONSTRAINT \`prescription_images_ibfk_1\` FOREIGN KEY (\`prescription_id\`) REFERENCES \`prescriptions\` (\`id\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
`;
const PRESCRIPTIONS = `CREATE TABLE \`prescriptions\` (
  \`id\` int(11) NOT NULL AUTO_INCREMENT,
  \`user_id\` int(11) NOT NULL,
  \`patient_name\` blob NOT NULL,
  \`medication\` blob NOT NULL,
  \`dosage\` blob NOT NULL,
  \`notes\` blob DEFAULT NULL,
  \`image_path\` varchar(255) DEFAULT NULL,
  \`created_at\` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (\`id\`),
  KEY \`user_id\` (\`user_id\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
`;
const USERS = `CREATE TABLE \`users\` (
  \`id\` int(11) NOT NULL AUTO_INCREMENT,
  \`username\` varchar(100) NOT NULL,
  \`email\` varchar(150) NOT NULL,
  \`password_hash\` varchar(255) NOT NULL,
  \`created_at\` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (\`id\`),
  UNIQUE KEY \`username\` (\`username\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO \`users\` VALUES
(1,'dr_marsh','marsh@clinic.example','$2b$12$x','2025-01-01 08:00:00'),
(2,'dr_lind','lind@clinic.example','$2b$12$x','2025-01-01 08:00:00');
`;
const ENDING = "-- Dump completed on 2026-11-28  7:31:00\n";

/** One tuple of `prescriptions`. */
export function prescriptionTuple(key: string, row: CareCryptRow): string {
  const sealed = (text: string) => `_binary '${fernetToken(key, text)}'`;
  const notes = row.notes === null ? "NULL" : sealed(row.notes);
  const texts = [row.name, row.medication, "One tablet"].map(sealed).join(",");
  return `(${row.id},${row.user},${texts},${notes},NULL,'2025-03-0${(row.id % 9) + 1} 09:30:00')`;
}

/** What mariadb-dump writes of CareCrypt's tables: files before the prescriptions that they hang on. */
export function careCryptDump(tuples: readonly string[], images: readonly string[] = []): string {
  const insert = (table: string, rows: readonly string[]) =>
    rows.length === 0 ? "" : `INSERT INTO \`${table}\` VALUES\n${rows.join(",\n")};\n`;
  return [
    ...[HEAD, AUDIT, IMAGES, insert("prescription_images", images), PRESCRIPTIONS],
    ...[insert("prescriptions", tuples), USERS, ENDING],
  ].join("\n");
}

/** The smallest PDF that readers take. */
export const PDF = Buffer.from(
  "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\nxref\n0 4\n0000000000 65535 f \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n9\n%%EOF\n",
);
