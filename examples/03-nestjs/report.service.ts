/** The worker's side: a service with a task, as an ordinary Nest provider. */
import { Injectable } from '@nestjs/common';
import { Task, TaskService } from 'celeriac';
import { SalesService } from './sales.service.js';

@Injectable()
export class ReportService extends TaskService {
  constructor(private readonly sales: SalesService) {
    super();
  }

  @Task('reports.monthly')
  async monthly(month: string): Promise<{ month: string; total: number }> {
    await this.updateState('PROGRESS', { month, status: 'adding up' });
    return { month, total: await this.sales.totalOf(month) };
  }
}
