/**
 * The arithmetic of training as WebAssembly SIMD of a fixed width, with every sum in a fixed order: about ten times plain JavaScript, and the
 * same bits on every processor. AssemblyScript (npm run kernels makes ../kernels.wasm of it). Pointers are byte offsets into one memory;
 * rows are multiples of 8 floats, strides are bytes where nothing else is said.
 */
export { adam } from './adam';
export { convolve, convolveGradient } from './convolution';
export { gemm } from './gemm';
export { normaliseGradient, normalisePool, sums, sumsGradient } from './normalise';
export { pool } from './pool';
export { axpy, dot, gather, scatter } from './rows';
