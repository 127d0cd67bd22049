import type { FileView } from "@medvault/contracts";

/** A stored file. `fileKey` and `sha256` (of the plain content) exist only in its sealed box. */
export interface StoredFile {
  id: string;
  rev: number;
  patientId: string;
  attachedTo: string | null;
  name: string;
  contentType: string;
  sizeBytes: number;
  sha256: string;
  state: "stored";
  uploadedBy: string;
  /** Where the ciphertext is, and what it must be. */
  blob: string;
  blobBytes: number;
  blobSha256: string;
  /** The file's own key, base64. */
  fileKey: string;
}

export type FoundFile = StoredFile & { createdAt: Date };

/** What callers see of it, in the chart of the patient whom they reach it by. */
export function viewOf(file: FoundFile, patientId: string): FileView {
  return {
    id: file.id,
    patientId,
    attachedTo: file.attachedTo,
    name: file.name,
    contentType: file.contentType,
    size: file.sizeBytes,
    sha256: file.sha256,
    state: file.state,
    uploadedBy: file.uploadedBy,
    createdAt: file.createdAt.toISOString(),
  };
}

/** The prescription that a file is attached to, if any. */
export function prescriptionOf(attachedTo: string | null | undefined): string | undefined {
  return attachedTo?.startsWith("prescription/") ? attachedTo.slice("prescription/".length) : undefined;
}
