ALTER TABLE registry_policies ADD COLUMN actor TEXT NOT NULL DEFAULT 'settings';
ALTER TABLE registry_policies ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE registry_policies ADD COLUMN origin TEXT NOT NULL DEFAULT 'settings';
ALTER TABLE registry_policies ADD COLUMN source TEXT NOT NULL DEFAULT '';
