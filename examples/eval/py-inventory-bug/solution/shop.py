class Shop:
    def __init__(self, stock):
        self.stock = stock
        self.orders = {}
        self.next = 1

    def order(self, items):
        for name, count in items.items():
            if self.stock.get(name, 0) < count:
                raise ValueError(f'not enough {name}')
        for name, count in items.items():
            self.stock[name] -= count
        number = self.next
        self.next += 1
        self.orders[number] = dict(items)
        return number

    def cancel(self, number):
        # What is left of a cancelled order is empty, so that a second time gives nothing back.
        for name, count in self.orders[number].items():
            self.stock[name] += count
        self.orders[number] = {}
