/** Something the reports need: it knows nothing of tasks. */
import { Injectable } from '@nestjs/common';

const SALES: Readonly<Record<string, readonly number[]>> = { january: [120, 80, 45], february: [99, 1] };

@Injectable()
export class SalesService {
  async totalOf(month: string): Promise<number> {
    return (SALES[month] ?? []).reduce((sum, amount) => sum + amount, 0);
  }
}
