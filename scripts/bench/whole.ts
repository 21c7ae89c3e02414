import { createServer } from 'node:http';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** The other way of bench:memory: the model's one file given to ONNX Runtime as it is, as its documentation shows. */
const [port, path] = process.argv.slice(2) as [string, string];
const session = await InferenceSession.create(path, { intraOpNumThreads: 1 });
createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.once('end', async () => {
    const { inputs } = JSON.parse(Buffer.concat(chunks).toString()) as {
      inputs: [{ shape: number[]; data: number[] }];
    };
    const [{ shape, data }] = inputs;
    const { scores } = await session.run({ ids: new Tensor('int64', BigInt64Array.from(data, BigInt), shape) });
    response.end(JSON.stringify({ outputs: [{ data: Array.from(scores!.data as Float32Array) }] }));
  });
}).listen(Number(port), '127.0.0.1');
