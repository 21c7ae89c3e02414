import { join } from 'node:path';
import { root } from './bundle.ts';
import { installDependencies, writeDependencies } from './dependencies.ts';
import { buildFunctions } from './functions.ts';

/** Builds what is deployed as the app that trains: the gateway's build, and beside it what runs models (azure.yaml). */
const target = join(root, 'dist/training');
await buildFunctions({ target });
const description = { name: 'maru-training', private: true, type: 'module', main: 'index.js' };
await writeDependencies(target, description, ['onnxruntime-node']);
await installDependencies(target, 'x64');
console.log('Built dist/training.');
