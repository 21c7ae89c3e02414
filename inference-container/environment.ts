/** What the server's process is started with, for libraries that read their environment only then. The Dockerfile sets the same. */
export const environment = {
  /** ONNX Runtime would start a thread that writes files, and sends them where it can. */
  ORT_DISABLE_TELEMETRY: '1',
  /**
   * Bytes from which glibc asks the system for memory, and gives it back when it is free. By default it raises this with every
   * larger block that is freed, and then keeps what unloaded models leave between others.
   */
  MALLOC_MMAP_THRESHOLD_: '131072',
} as const;
