/** One module for both sides. A web process would leave out `worker` and the services behind the tasks. */
import { Module } from '@nestjs/common';
import { CeleriacModule } from 'celeriac/nestjs';
import { FrontDesk } from './front-desk.js';
import { ReportService } from './report.service.js';
import { SalesService } from './sales.service.js';

@Module({
  imports: [
    CeleriacModule.forRoot({
      name: 'nest-reports',
      broker: process.env.CELERIAC_BROKER_URL ?? 'memory://',
      worker: { concurrency: 2 },
    }),
  ],
  providers: [SalesService, ReportService, FrontDesk],
})
export class AppModule {}
