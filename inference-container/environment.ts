/** What the process must have in its environment before it starts: of libraries that read it only then. The image sets it too. */
export const environment = {
  /** ONNX Runtime would start a thread that writes files, and sends them where it can. */
  ORT_DISABLE_TELEMETRY: '1',
  /**
   * Bytes from which glibc asks the system for memory, and gives it back when it is free. By default it raises this with every
   * larger block that is freed, and then keeps what unloaded models leave between others.
   */
  MALLOC_MMAP_THRESHOLD_: '131072',
} as const;
