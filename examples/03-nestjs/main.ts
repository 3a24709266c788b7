/** Starts the application, orders two reports, and shuts down. */
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { FrontDesk } from './front-desk.js';

const application = await NestFactory.createApplicationContext(AppModule, { logger: ['warn', 'error'] });
application.enableShutdownHooks();

const desk = application.get(FrontDesk);
for (const month of ['january', 'february']) console.log(await desk.order(month));

await application.close();
console.log('closed');
