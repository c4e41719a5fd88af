import { build } from '../lib/app.ts';
import config from '../weir.config.ts';

build(config).app.synth();
