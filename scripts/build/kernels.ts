import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { main } from 'assemblyscript/asc';
import { root } from './bundle.ts';

/**
 * Compiles functions/training/kernels (AssemblyScript) to kernels.wasm beside it, which is kept in the repository: whoever trains needs no
 * compiler. A test says when the two differ.
 */
export async function compileKernels(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const said: string[] = [];
  const { error } = await main(
    [
      'functions/training/kernels/index.ts',
      ...['--outFile', 'kernels.wasm', '--baseDir', root, '-O3', '--enable', 'simd'],
      ...['--runtime', 'stub', '--importMemory', '--noExportMemory', '--noAssert'],
    ],
    {
      stderr: { write: (text: string) => void said.push(text) },
      writeFile: (_name: string, contents: Uint8Array | string) => {
        binary = contents as Uint8Array;
      },
    },
  );
  if (error || !binary) throw new Error(said.join('') || error?.message);
  return binary;
}

if (import.meta.main) {
  const file = 'functions/training/kernels.wasm';
  const bytes = await compileKernels();
  await writeFile(join(root, file), bytes);
  console.log(`Written: ${file} (${bytes.length} bytes)`);
}
